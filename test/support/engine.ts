/**
 * Calls a verb like an engine's monitor: as the subreaper that waits for the process of the pid file
 * (`native/reaper.c`). This helper has the container's streams.
 */
import { spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { nativeHelper } from "./native.ts";

export interface EngineCall {
  /** Exit status of the verb itself. */
  readonly verbStatus: Promise<number>;
  /** Exit status of the process whose pid is in the pid file, 128 + n for a signal. */
  readonly processStatus: Promise<number>;
  /** What container and runtime have written. */
  output(): string;
  errors(): string;
  write(text: string): void;
  endInput(): void;
}

export async function asEngine(argv: readonly string[], pidFile: string): Promise<EngineCall> {
  const child = spawn(await nativeHelper("reaper"), [pidFile, ...argv], { stdio: ["pipe", "pipe", "pipe", "pipe"] });
  let [output, errors, said] = ["", "", ""];
  child.stdin.on("error", () => {});
  child.stdout.on("data", (chunk: Buffer) => (output += chunk));
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk));
  const control = child.stdio[3] as Duplex;

  const statusOf = (what: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        const status = new RegExp(`^${what} (\\d+)$`, "m").exec(said)?.[1];
        if (status !== undefined) resolve(Number(status));
      };
      control.on("data", look);
      child.once("close", () => {
        look();
        reject(new Error(`no status of the ${what} came: ${said} ${errors}`));
      });
    });
  control.on("data", (chunk: Buffer) => (said += chunk));
  const verbStatus = statusOf("verb");
  const processStatus = statusOf("process");
  processStatus.catch(() => {}); // A test that expects the verb to fail never awaits it.
  return {
    verbStatus,
    processStatus,
    output: () => output,
    errors: () => errors,
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
  };
}
