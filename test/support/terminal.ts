/**
 * Pseudo terminals for tests, based on `native/terminal.c`: typed input for a program that runs on a terminal, and an
 * engine's end of a console socket.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { nativeHelper } from "./native.ts";

export interface TerminalEnd {
  /** 128 + n for a signal n. */
  readonly status: number;
  /** Everything that the terminal displayed. */
  readonly shown: string;
  /** Lines of the helper, e.g. `terminal restored`. */
  readonly reports: string;
}

export interface Terminal {
  readonly pid: number;
  type(text: string): void;
  resize(rows: number, columns: number): void;
  /**
   * Resolves when `text` has been displayed after the last text that was waited for; rejects at the end or the limit.
   */
  until(text: string, timeoutMs?: number): Promise<void>;
  /** Resolves when the helper has reported `line` on its control channel. */
  untilReport(line: string, timeoutMs?: number): Promise<void>;
  readonly ended: Promise<TerminalEnd>;
  kill(): void;
}

/** Runs a program on a new terminal of that size. */
export async function onTerminal(argv: readonly string[], rows = 24, columns = 80): Promise<Terminal> {
  return converse(await nativeHelper("terminal"), ["run", String(rows), String(columns), ...argv]);
}

/** Listens on `socketPath` for a terminal as an engine does; resolves when it listens. */
export async function consoleSocket(socketPath: string): Promise<Terminal> {
  const terminal = converse(await nativeHelper("terminal"), ["console", socketPath]);
  await terminal.untilReport("listening");
  return terminal;
}

function converse(helper: string, args: readonly string[]): Terminal {
  const child = spawn(helper, args, { stdio: ["pipe", "pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}); // The program may end before it has read what was typed.
  const control = child.stdio[3] as Duplex;
  control.on("error", () => {});
  const shown = new Watched(child.stdout);
  const reports = new Watched(control);
  const complaints = new Watched(child.stderr);
  const ended = endOf(child, shown, reports, complaints);
  return {
    pid: child.pid ?? -1,
    type: (text) => void child.stdin.write(text),
    resize: (rows, columns) => void control.write(`size ${rows} ${columns}\n`),
    until: (text, timeoutMs = 60_000) => orKill(child, shown.until(text, timeoutMs, ended)),
    untilReport: (line, timeoutMs = 60_000) => orKill(child, reports.until(line, timeoutMs, ended)),
    ended,
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Kills the program if the wait fails: a program that waits for more input would keep the test from ending. */
async function orKill(child: ChildProcess, waiting: Promise<void>): Promise<void> {
  try {
    await waiting;
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

function endOf(child: ChildProcess, shown: Watched, reports: Watched, complaints: Watched): Promise<TerminalEnd> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({
        status: code ?? (signal === null ? -1 : 137),
        shown: shown.text,
        reports: reports.text + complaints.text,
      });
    });
  });
}

/** A stream's text so far, with a cursor behind the last text that was waited for. */
class Watched {
  text = "";
  private cursor = 0;
  private readonly waiting = new Set<() => void>();

  constructor(stream: NodeJS.ReadableStream) {
    stream.on("data", (chunk: Buffer) => {
      this.text += chunk.toString("utf8");
      for (const wake of this.waiting) wake();
    });
  }

  async until(wanted: string, timeoutMs: number, ended: Promise<unknown>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const finish = (error?: Error): void => {
        clearTimeout(timer);
        this.waiting.delete(look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): boolean => {
        const at = this.text.indexOf(wanted, this.cursor);
        if (at < 0) return false;
        this.cursor = at + wanted.length;
        finish();
        return true;
      };
      const timer = setTimeout(() => finish(this.missing(wanted, `${timeoutMs} ms passed`)), timeoutMs);
      this.waiting.add(look);
      if (!look()) void ended.then(() => look() || finish(this.missing(wanted, "it ended")));
    });
  }

  private missing(wanted: string, why: string): Error {
    return new Error(`${why} before ${JSON.stringify(wanted)} came; so far: ${JSON.stringify(this.text)}`);
  }
}
