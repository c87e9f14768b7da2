/**
 * The shim's compiled code, so that starts need not compile it: at build time a shim creates and starts a container. V8
 * has then compiled the functions that every shim needs, and no others, which would only take memory.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, copyFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { cached, contentKey } from "../engine/cache.ts";
import { whileShimWaits } from "./shim-start.ts";
import { makeTrainingGround } from "./training-ground.ts";

export interface ShimCodeRequest {
  /** Source of the loader. */
  readonly entry: Uint8Array;
  readonly text: Uint8Array;
  /** Absolute path of the Node that will run it. */
  readonly node: string;
  /** Where the other installed programs and the guest are. */
  readonly installRoot: string;
  readonly report: (line: string) => void;
}

/** For a guest that boots on a busy host. */
const timeoutMs = 300_000;
const pollMs = 20;

/**
 * Where no container can be created, for example without root's rights, the code is only that which a shim needs until
 * it accepts requests.
 */
export async function shimCode(request: ShimCodeRequest): Promise<Uint8Array> {
  const { entry, text, node, installRoot, report } = request;
  const key = contentKey(process.version, process.arch, maker, entry, text);
  const train = (target: string): Promise<void> =>
    inDirectory(request, async (directory) => {
      const shim = [node, join(directory, "make.cjs")];
      const command = await makeTrainingGround({ shim, installRoot, directory });
      await whileContainerRuns(command, () => writeCode(directory));
      await copyFile(join(directory, "shim.cache"), join(target, "shim.cache"));
    });
  try {
    return await readFile(join(await cached("shim-code", key, train), "shim.cache"));
  } catch (error) {
    report(`shims will start more slowly, since no container could be created: ${(error as Error).message}`);
    return inDirectory(request, async (directory) => {
      await whileShimWaits([node, join(directory, "make.cjs")], directory, () => writeCode(directory));
      return readFile(join(directory, "shim.cache"));
    });
  }
}

/** Runs the shim's program, and writes the code that is compiled when the file `now` appears. */
const maker = `
const path = require("node:path");
const { existsSync, renameSync, writeFileSync } = require("node:fs");
const file = (name) => path.join(__dirname, name);
process.argv[1] = file("shim.cjs");
const poll = setInterval(() => {
  if (!existsSync(file("now"))) return;
  clearInterval(poll);
  writeFileSync(file("shim.cache.new"), script.createCachedData());
  renameSync(file("shim.cache.new"), file("shim.cache"));
}, ${pollMs}).unref();
const { script } = require("./shim.cjs");
`;

async function inDirectory<T>(
  { entry, text }: Pick<ShimCodeRequest, "entry" | "text">,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "kumite-shim-code-"));
  try {
    await writeFile(join(directory, "shim.cjs"), entry);
    await writeFile(join(directory, "shim.js"), text);
    await writeFile(join(directory, "make.cjs"), maker);
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Asks the running shim for its code. */
async function writeCode(directory: string): Promise<void> {
  await writeFile(join(directory, "now"), "");
  const isWritten = (): Promise<boolean> =>
    access(join(directory, "shim.cache")).then(
      () => true,
      () => false,
    );
  for (let waitedMs = 0; !(await isWritten()); waitedMs += pollMs) {
    if (waitedMs > timeoutMs) throw new Error("the shim did not write its code");
    await delay(pollMs);
  }
}

/** The container ends when its input does, so a build that is killed leaves none running. */
async function whileContainerRuns(command: readonly string[], work: () => Promise<void>): Promise<void> {
  const [path = "", ...args] = command;
  const child = spawn(path, args, { env: {}, stdio: ["pipe", "pipe", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  // It is closed when the container ends early.
  child.stdin.on("error", () => {});
  const ended = once(child, "close");
  const timer = setTimeout(() => child.kill("SIGTERM"), timeoutMs);
  const early = ended.then(() => {
    throw new Error(said.trim().split("\n")[0] || "the container ended too early");
  });
  early.catch(() => {});
  try {
    await Promise.race([once(child.stdout, "data"), early]);
    await Promise.race([work(), early]);
  } finally {
    child.stdin.end();
    await ended;
    clearTimeout(timer);
  }
}
