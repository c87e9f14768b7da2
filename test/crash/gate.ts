/**
 * Runs programs that are stopped at each durable write below a directory until the test lets them go on
 * (`native/gate.c`). Knows nothing about what is written.
 */
import { type ChildProcess, spawn } from "node:child_process";
import type { Duplex } from "node:stream";
import { nativeHelper } from "../support/native.ts";

/** A process that is about to make something durable by a rename, or has done so and is about to sync it. */
export type Stop = {
  readonly pid: number;
  /** Lets the process go on; does nothing if it was killed meanwhile. */
  readonly goOn: () => void;
} & (
  | { readonly call: "rename"; readonly from: string; readonly to: string }
  | { readonly call: "sync"; readonly directory: string }
);

/** Called for every stop in order of arrival. The process is stopped until the callee calls `goOn`. */
export type OnStop = (stop: Stop) => void;

/** Lets everything pass. */
export const pass: OnStop = (stop) => stop.goOn();

export class Gate {
  /** The program's. */
  readonly pid: Promise<number>;
  /** As a shell reports it. */
  readonly exited: Promise<number>;
  /** Resolves when every process that was started through this gate is gone. */
  readonly closed: Promise<void>;
  /** What the program and its descendants wrote to stderr. */
  errors = "";
  output = "";
  onStop: OnStop;
  readonly #child: ChildProcess;
  readonly #control: Duplex;
  #said = "";
  #waiting = new Map<string, (words: readonly string[]) => void>();

  /** Descriptor 3 of the program. */
  readonly conversation: Duplex;

  static async start(directory: string, argv: readonly string[], onStop: OnStop): Promise<Gate> {
    const gate = await nativeHelper("gate");
    return new Gate(spawn(gate, [directory, ...argv], { stdio: ["ignore", "pipe", "pipe", "pipe", "pipe"] }), onStop);
  }

  private constructor(child: ChildProcess, onStop: OnStop) {
    this.#child = child;
    this.onStop = onStop;
    this.#control = child.stdio[3] as Duplex;
    this.conversation = child.stdio[4] as Duplex;
    this.closed = new Promise((resolve) => void child.once("exit", () => resolve()));
    this.#control.on("error", () => {});
    this.conversation.on("error", () => {});
    child.stdout?.on("data", (chunk: Buffer) => (this.output += chunk));
    child.stderr?.on("data", (chunk: Buffer) => (this.errors += chunk));
    this.pid = this.#once("ready").then(([pid]) => Number(pid));
    this.exited = this.#once("exit").then(([status]) => Number(status));
    for (const promise of [this.pid, this.exited]) promise.catch(() => {});
    this.#control.on("data", (chunk: Buffer) => this.#take(chunk));
  }

  /** Ends the gate; calls of processes that are stopped in it then fail. To be called after the test. */
  close(): void {
    this.#child.kill("SIGKILL");
  }

  #once(word: string): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(word, resolve);
      this.#child.once("close", () =>
        reject(
          new Error(
            `the gate ended (${this.#child.exitCode} ${this.#child.signalCode}) without "${word}": ${this.#said}${this.errors}`,
          ),
        ),
      );
    });
  }

  #take(chunk: Buffer): void {
    const lines = (this.#said + chunk).split("\n");
    this.#said = lines.pop() ?? "";
    for (const line of lines) {
      const [word = "", ...rest] = line.split("\t");
      const stop = this.#stopOf(word, rest);
      if (word.startsWith("error")) this.errors += line;
      else if (stop === undefined) this.#waiting.get(word)?.(rest);
      else this.onStop(stop);
    }
  }

  #stopOf(word: string, [id = "", pid = "", ...paths]: readonly string[]): Stop | undefined {
    const common = { pid: Number(pid), goOn: () => void this.#control.write(`${id}\n`) };
    const [first = "", second = ""] = paths;
    if (word === "rename") return { ...common, call: word, from: first, to: second };
    if (word === "sync") return { ...common, call: word, directory: first };
    return undefined;
  }
}
