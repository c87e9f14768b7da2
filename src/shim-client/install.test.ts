import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nodeOs } from "../sys/node/node-os.ts";
import { installedFile, readInstall } from "./install.ts";
import { shimCommand, shimProgram } from "./shim-command.ts";

describe("an installation", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  const files = { "shim.cjs": { size: 6 }, "shim.js": { size: 4 } };
  const manifest = { version: "1.2.3", commit: "abc", node: process.execPath, files };
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "kumite-install-"));
  });
  after(() => rm(root, { recursive: true }));

  const write = (content: unknown) => writeFile(join(root, "install.json"), JSON.stringify(content));
  const options = { root: "/r", id: "web", bundle: "/b", config: undefined, debug: false, logFormat: "json" as const };

  it("determines the command line of a shim, without the caller's environment", async () => {
    await write(manifest);
    await writeFile(join(root, "shim.cjs"), "loader");
    await writeFile(join(root, "shim.js"), "four");
    const command = shimCommand(await shimProgram(os, await readInstall(os, root)), {
      ...options,
      config: "/c",
      debug: true,
    });
    assert.equal(command.path, process.execPath);
    const [title, ...rest] = command.argv;
    const script = rest.findIndex((word) => !word.startsWith("--"));
    assert.equal(title, "kumite-shim");
    assert.deepEqual(rest.slice(script), [
      join(root, "shim.cjs"),
      ..."--root /r --id web --bundle /b --log-format json --config /c --debug".split(" "),
    ]);
    // Node refuses an unknown option, and the shim would not start.
    execFileSync(command.path, [...rest.slice(0, script), "-e", "0"]);
    assert.deepEqual(Object.keys(command.env), ["PATH", "MALLOC_ARENA_MAX", "MALLOC_TRIM_THRESHOLD_"]);
  });

  it("that lacks a part is reported with the path and what to do", async () => {
    const incomplete = (message: RegExp) => ({ code: "install/incomplete", message, hint: /npm run setup/ });
    await assert.rejects(readInstall(os, join(root, "nowhere")), incomplete(/nowhere\/install\.json is missing/));
    await write({ ...manifest, node: "/nowhere/node" });
    await writeFile(join(root, "shim.js"), "four");
    await assert.rejects(shimProgram(os, await readInstall(os, root)), incomplete(/^\/nowhere\/node is/));
    await write(manifest);
    await writeFile(join(root, "shim.js"), "cut");
    const install = await readInstall(os, root);
    await assert.rejects(
      installedFile(os, install, "shim.js"),
      incomplete(/shim\.js has 3 bytes, but was installed with 4/),
    );
    await assert.rejects(installedFile(os, install, "other"), incomplete(/other was not installed/));
    await rm(join(root, "shim.js"));
    await assert.rejects(installedFile(os, install, "shim.js"), incomplete(/shim\.js is missing/));
  });

  it("with an invalid description is refused", async () => {
    for (const content of [
      null,
      {},
      { ...manifest, node: "node" },
      { ...manifest, files: { a: 1 } },
      { ...manifest, version: 1 },
    ]) {
      await write(content);
      await assert.rejects(readInstall(os, root), /is not the manifest of an installation/, JSON.stringify(content));
    }
  });
});
