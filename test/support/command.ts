/**
 * Runs one program to its end for a test: captured output, a time limit, optional input. Knows nothing about
 * containers.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import os from "node:os";

export interface CommandOptions {
  /** The program's input; default: nothing (/dev/null). */
  readonly stdin?: string | Uint8Array;
  /** The whole environment; default: the test's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Default 120 s, several times what an emulated boot takes on a slow and busy host. */
  readonly timeoutMs?: number;
}

/** How a program ended, and its output. */
export interface Finished {
  readonly argv: readonly string[];
  /** 128 + n for a signal n, like a shell; -1 when the time limit ended it. */
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
  readonly elapsedMs: number;
}

/** A running program that a test can interact with. */
export interface Running {
  readonly child: ChildProcess;
  readonly pid: number;
  readonly finished: Promise<Finished>;
  /**
   * Resolves with everything written to stdout so far, as soon as it contains `text`; rejects at the end of the program
   * or the limit.
   */
  untilOutput(text: string, timeoutMs?: number): Promise<string>;
}

const defaultTimeoutMs = 120_000;
const outputLimit = 256 * 1024 * 1024;

/** Runs a program to its end. Does not throw for an exit status; use `succeed` for that. */
export function execute(argv: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const running = begin(argv, options);
  if (options.stdin !== undefined) {
    running.child.stdin?.on("error", () => {}); // A program may end without reading its input.
    running.child.stdin?.end(options.stdin);
  }
  return running.finished;
}

/** Starts a program whose input stays open if `options.stdin` is given, even if it is empty. */
export function begin(argv: readonly string[], options: CommandOptions = {}): Running {
  const [file, ...rest] = argv;
  if (file === undefined) throw new Error("an empty command");
  const stdio: StdioOptions = [options.stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"];
  const startedAt = performance.now();
  const child = spawn(file, rest, { stdio, cwd: options.cwd, env: options.env ?? process.env });
  const stdout = new Gathered();
  const stderr = new Gathered();
  child.stdout?.on("data", (chunk: Buffer) => stdout.add(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.add(chunk));
  const finished = whenFinished(argv, child, {
    stdout,
    stderr,
    startedAt,
    timeoutMs: options.timeoutMs ?? defaultTimeoutMs,
  });
  return {
    child,
    pid: child.pid ?? -1,
    finished,
    untilOutput: (text, timeoutMs = 60_000) => stdout.until(text, timeoutMs, finished, () => stderr.text()),
  };
}

/** Like `execute`, but throws for a status other than 0, with the output. */
export async function succeed(argv: readonly string[], options: CommandOptions = {}): Promise<Finished> {
  const finished = await execute(argv, options);
  if (finished.status !== 0) throw new Error(describe(finished));
  return finished;
}

/** One paragraph for an assertion message. */
export function describe(finished: Finished): string {
  const limit = (text: string) => (text.length > 2000 ? `${text.slice(0, 2000)}…` : text);
  return [
    `\`${finished.argv.join(" ")}\` ended with ${finished.status === -1 ? "the time limit" : finished.status}`,
    `stdout: ${limit(finished.stdout) || "(nothing)"}`,
    `stderr: ${limit(finished.stderr) || "(nothing)"}`,
  ].join("\n");
}

class Gathered {
  private readonly chunks: Buffer[] = [];
  private size = 0;
  private wake: (() => void) | undefined;

  add(chunk: Buffer): void {
    this.size += chunk.length;
    if (this.size <= outputLimit) this.chunks.push(chunk);
    this.wake?.();
  }

  bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  text(): string {
    return this.bytes().toString("utf8");
  }

  async until(wanted: string, timeoutMs: number, ended: Promise<unknown>, stderr: () => string): Promise<string> {
    let over: string | undefined;
    void ended.then(() => this.stop("the program ended"));
    const timer = setTimeout(() => this.stop(`${timeoutMs} ms passed`), timeoutMs);
    try {
      for (;;) {
        const text = this.text();
        if (text.includes(wanted)) return text;
        over = this.over;
        if (over !== undefined) {
          throw new Error(`${over} before ${JSON.stringify(wanted)} came\nstdout: ${text}\nstderr: ${stderr()}`);
        }
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
      this.over = undefined;
    }
  }

  private over: string | undefined;

  private stop(why: string): void {
    this.over = why;
    this.wake?.();
  }
}

interface Observed {
  readonly stdout: Gathered;
  readonly stderr: Gathered;
  /** By `performance.now()`. */
  readonly startedAt: number;
  readonly timeoutMs: number;
}

function whenFinished(
  argv: readonly string[],
  child: ChildProcess,
  { stdout, stderr, startedAt, timeoutMs }: Observed,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let timedOut = false;
    let grace: NodeJS.Timeout | undefined;
    // SIGTERM lets a runtime clean up. A program whose descendant keeps the pipes open is cut off.
    const limit = setTimeout(() => {
      timedOut = true;
      child.kill("SIGTERM");
      grace = setTimeout(() => {
        child.kill("SIGKILL");
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, 5_000);
    }, timeoutMs);
    child.once("error", (error) => {
      clearTimeout(limit);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(limit);
      clearTimeout(grace);
      const stdoutBytes = stdout.bytes();
      resolve({
        argv,
        status: timedOut ? -1 : (code ?? 128 + signalNumber(signal)),
        stdout: stdoutBytes.toString("utf8"),
        stderr: stderr.text(),
        stdoutBytes,
        elapsedMs: performance.now() - startedAt,
      });
    });
  });
}

function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : (os.constants.signals[signal] ?? 0);
}
