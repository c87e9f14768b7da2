/**
 * The shim's compiled code, so that starts need not compile it: at build time the program runs once, as the verbs start
 * it, up to the point where it would be asked for a container.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";

const readyTimeoutMs = 60_000;

export interface ShimProgram {
  /** Source of the loader. */
  readonly entry: Uint8Array;
  readonly text: Uint8Array;
}

export async function shimCode(node: string, { entry, text }: ShimProgram): Promise<Uint8Array> {
  const directory = await mkdtemp(join(tmpdir(), "kumite-shim-code-"));
  const file = (name: string): string => join(directory, name);
  try {
    await writeFile(file("shim.cjs"), entry);
    await writeFile(file("shim.js"), text);
    await writeFile(file("install.json"), "{}");
    await writeFile(file("make.cjs"), maker);
    await runOnce(node, file);
    return await readFile(file("shim.cache"));
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The code that was compiled by the time of this message is what the next start will need. */
const maker = `
const path = require("node:path");
const { writeFileSync } = require("node:fs");
process.argv[1] = path.join(__dirname, "shim.cjs");
process.once("message", () => {
  writeFileSync(path.join(__dirname, "shim.cache"), script.createCachedData());
  process.exit(0);
});
const { script } = require("./shim.cjs");
`;

async function runOnce(node: string, file: (name: string) => string): Promise<void> {
  const server = createServer().listen(file("shim.sock"));
  await once(server, "listening");
  // Node has no public name for it.
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const words = ["--root", file("root"), "--id", "none", "--bundle", file("bundle"), "--log-format", "text"];
  const child = spawn(node, [file("make.cjs"), ...words], {
    env: {},
    stdio: ["ignore", "ignore", "inherit", fd, "pipe", "ipc"],
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), readyTimeoutMs);
  const ended = once(child, "exit");
  try {
    const boot = child.stdio[4] as Readable;
    const ready = await Promise.race([once(boot, "data"), ended.then(() => undefined)]);
    if (!String(ready?.[0]).includes('"ready":true'))
      throw new Error(`the shim did not start: ${ready?.[0] ?? "it ended"}`);
    child.send("now");
    const [status] = (await ended) as [number | null];
    if (status !== 0) throw new Error(`making the shim's code ended with status ${status}`);
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    server.close();
  }
}
