/**
 * Controls a keeper, the process that holds a template's memory: starts it, fills it, seals it and releases it. Until
 * it is released, it ends together with its builder, so a template that was never published leaves nothing.
 */
import type { ChildProcess, Os, ProcessId } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { signalNumbers } from "../../util/signals.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { type KeeperPlace, keeperDescriptor, keeperWords, maxKeeperLine, parsePlace } from "./protocol.ts";

export interface KeeperRequest {
  /** Path of the executable `kumite`. */
  readonly program: string;
  readonly key: string;
  readonly memoryBytes: number;
  /** The keeper is born in these, where it outlives its builder. */
  readonly cgroups: readonly string[];
  /** For a template: its store. It allows the keeper to be found even if the template's description is damaged. */
  readonly store?: string;
  /** For a template: size of the upper layer's disk, if it has one. */
  readonly upperBytes?: number;
  /** The memory is a copy, which `fill` makes before a VM uses it. */
  readonly filled?: boolean;
}

/** For one answer; copying and sealing take milliseconds. */
const answerTimeoutMs = 10_000;
const megabyte = 1024 * 1024;

export class Keeper implements AsyncDisposable {
  readonly process: ProcessId;
  readonly memory: number;
  /** As in `KeeperPlace`. */
  readonly upper: number | undefined;
  readonly #child: ChildProcess;
  readonly #reader: ByteReader;
  #kept = false;

  /** @throws KumiteError `system/failed`, `timeout`, `aborted`; SystemError if the keeper cannot be started */
  static async start(
    os: Os,
    { program, key, memoryBytes, cgroups, store, upperBytes, filled }: KeeperRequest,
    signal: AbortSignal,
  ) {
    const child = await os.processes.spawn({
      path: program,
      argv: keeperWords({ key, memoryBytes, store, upperBytes, filled }),
      env: {},
      cwd: "/",
      newSession: true,
      noNewPrivileges: true,
      cgroups,
      descriptors: { [keeperDescriptor]: { kind: "stream" } },
    });
    const reader = new ByteReader(streamOf(child));
    try {
      return new Keeper(child, reader, await nextPlace(reader, signal));
    } catch (error) {
      await end(child);
      throw error;
    }
  }

  private constructor(child: ChildProcess, reader: ByteReader, { memory, upper }: KeeperPlace) {
    this.#child = child;
    this.#reader = reader;
    this.process = { pid: child.pid, startTicks: child.startTicks };
    this.memory = memory;
    this.upper = upper;
  }

  /**
   * Fills the memory: `copy` gets its path and must write the content. Afterwards its size is fixed.
   * @throws as `copy` and `start`
   */
  async fill(copy: (memory: string) => Promise<void>, signal: AbortSignal): Promise<void> {
    await copy(descriptorPath(this.process, this.memory));
    await streamOf(this.#child).write(encodeUtf8(`${JSON.stringify({ filled: true })}\n`));
    await nextPlace(this.#reader, signal);
  }

  /**
   * Stores the state and seals everything. No process may still have any of it mapped or open for writing. Returns the
   * state's descriptor.
   */
  async seal(state: Uint8Array, signal: AbortSignal): Promise<number> {
    const stream = streamOf(this.#child);
    await stream.write(encodeUtf8(`${JSON.stringify({ state: state.length })}\n`));
    await stream.write(state);
    const place = await nextPlace(this.#reader, signal);
    if (place.state === undefined) throw broken("did not seal it");
    return place.state;
  }

  /** The keeper stays from now on until somebody ends it. */
  async keep(): Promise<void> {
    await streamOf(this.#child).write(encodeUtf8(`${JSON.stringify({ keep: true })}\n`));
    this.#kept = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#kept) await end(this.#child);
    else streamOf(this.#child).close();
  }
}

export function descriptorPath({ pid }: ProcessId, descriptor: number): string {
  return `/proc/${pid}/fd/${descriptor}`;
}

export function memoryBytesOf(memoryMiB: number): number {
  return memoryMiB * megabyte;
}

function streamOf(child: ChildProcess) {
  const stream = child.streams.get(keeperDescriptor);
  if (stream === undefined) throw new KumiteError("internal", "the keeper was started without a stream");
  return stream;
}

async function nextPlace(reader: ByteReader, signal: AbortSignal): Promise<KeeperPlace> {
  const read = (within: AbortSignal) => reader.readLine(maxKeeperLine, within);
  const place = parsePlace(await withDeadline(answerTimeoutMs, "the answer of the template's keeper", read, signal));
  if (place === undefined) throw broken("ended or gave an unexpected answer");
  return place;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill(signalNumbers.SIGKILL);
  await child.exited;
  streamOf(child).close();
}

function broken(how: string): KumiteError {
  return new KumiteError("system/failed", `the process that holds the template's memory ${how}`, {
    phase: "template.build",
  });
}
