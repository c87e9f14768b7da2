/** Runs the shim's program at build time up to the point where it would be asked for a container. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Readable } from "node:stream";

const readyTimeoutMs = 60_000;

/**
 * @param program words of the command, before those of a shim
 * @param work done while the shim waits for a request
 * @throws Error if the shim cannot start
 */
export async function whileShimWaits(
  program: readonly string[],
  directory: string,
  work: () => Promise<void>,
): Promise<void> {
  const file = (name: string): string => join(directory, name);
  await writeFile(file("install.json"), "{}");
  const server = createServer().listen(file("shim.sock"));
  await once(server, "listening");
  // Node has no public name for it.
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const words = ["--root", file("root"), "--id", "none", "--bundle", file("bundle"), "--log-format", "text"];
  const [path = "", ...args] = [...program, ...words];
  const child = spawn(path, args, { env: {}, stdio: ["ignore", "ignore", "inherit", fd, "pipe"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), readyTimeoutMs);
  const ended = once(child, "exit");
  const early = ended.then(() => {
    throw new Error("the shim ended before its work was done");
  });
  early.catch(() => {});
  try {
    const boot = child.stdio[4] as Readable;
    const [ready] = (await Promise.race([once(boot, "data"), early])) as [unknown];
    if (!String(ready).includes('"ready":true')) throw new Error(`the shim did not start: ${ready}`);
    await Promise.race([work(), early]);
  } finally {
    clearTimeout(timer);
    child.kill("SIGKILL");
    server.close();
  }
}
