/** The shim's code that V8 compiled at build time. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { programModules } from "../../src/sys/node/loader/v8-flags.ts";
import { succeed } from "../support/command.ts";
import { testInstallRoot } from "../support/node-os.ts";

const entry = path.join(testInstallRoot, "shim.cjs");
const skip = existsSync(entry) ? false : `${entry} is not built: run \`npm run setup\``;

/** Loads the program, which exits before it does anything. */
async function load(program: string): Promise<string> {
  const script = `
    process.argv[1] = ${JSON.stringify(program)};
    const { script } = require(process.argv[1]);
    process.stdout.write(String(script.cachedDataRejected));
    process.exit(0);`;
  const { stdout } = await succeed(["env", "-i", process.execPath, "-e", script]);
  return stdout;
}

describe("the shim's code that V8 compiled at build time", { skip }, () => {
  it("is used by the Node that runs the shim", async () => {
    assert.equal(await load(entry), "false");
  });

  it("contains the functions that create and start a container, and none that only others need", async () => {
    const code = await readFile(path.join(testInstallRoot, "shim.cache"), "latin1");
    // Texts in functions: the code has those of compiled functions only.
    const texts = ["the container is planned", "the agent answered", "waiting for the relay"];
    assert.deepEqual(
      texts.filter((text) => !code.includes(text)),
      [],
    );
    assert.ok(!code.includes("the guest shut itself down"));
  });

  it("loads no module of Node that the loader has not loaded before it set V8's flags", async () => {
    const text = await readFile(path.join(testInstallRoot, "shim.js"), "latin1");
    const loaded = new Set([...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name));
    const missing = [...loaded].filter((name) => !programModules.some((known) => known === name));
    assert.deepEqual(missing, []);
  });

  it("is ignored if it is missing, or from another V8", async () => {
    const directory = await mkdtemp(path.join(tmpdir(), "kumite-shim-code-"));
    try {
      for (const name of ["shim.cjs", "shim.js"])
        await copyFile(path.join(testInstallRoot, name), path.join(directory, name));
      assert.equal(await load(path.join(directory, "shim.cjs")), "undefined");
      await writeFile(path.join(directory, "shim.cache"), "of another V8".repeat(100));
      assert.equal(await load(path.join(directory, "shim.cjs")), "true");
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
