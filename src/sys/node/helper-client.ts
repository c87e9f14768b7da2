/**
 * Makes the system calls that Node lacks, through `kumite-helper`. The helper starts with the first call, and ends
 * after a time without calls and locks. Its connection does not keep this process running; calls in progress and locks
 * do.
 */
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { isSystemError } from "../../util/errors.ts";
import type { HelperCall } from "../helper/protocol.ts";
import type { MountRequest, ProcessId } from "../os.ts";
import { HelperConnection, type HelperValue } from "./helper-connection.ts";

const defaultIdleMs = 1000;

export class HelperClient {
  readonly #launcher: string;
  readonly #idleMs: number;
  #connection: Promise<HelperConnection> | undefined;
  /** Number of calls in progress and locks held. */
  #uses = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  /** `launcher` is the install root's `kumite`. The helper ends `idleMs` (default 1000) after its last use. */
  constructor(launcher: string, options: { readonly idleMs?: number } = {}) {
    this.#launcher = launcher;
    this.#idleMs = options.idleMs ?? defaultIdleMs;
  }

  async mount(request: MountRequest): Promise<void> {
    await this.#using((helper) => helper.call({ kind: "mount", request }).answer);
  }

  async unmount(target: string, lazy: boolean): Promise<void> {
    await this.#using((helper) => helper.call({ kind: "unmount", target, lazy }).answer);
  }

  /** Implements `Processes.signal`. */
  async signal(process: ProcessId, signal: number): Promise<boolean> {
    return (await this.#using((helper) => helper.call({ kind: "signal", process, signal }).answer)) === true;
  }

  /** Implements `Processes.waitGone`. */
  async waitGone(process: ProcessId, signal?: AbortSignal): Promise<void> {
    await this.#using((helper) => waitFor(helper, { kind: "waitGone", process }, signal));
  }

  /** Implements `Files.lock`. */
  async lock(path: string, signal?: AbortSignal): Promise<AsyncDisposable> {
    return await this.#using(async (helper) => {
      const handle = Number(await waitFor(helper, { kind: "lock", path }, signal));
      // The lock counts as a use of its own, so that the helper does not end while it is held.
      this.#uses += 1;
      let held = true;
      return {
        [Symbol.asyncDispose]: async () => {
          if (!held) return;
          held = false;
          try {
            // If the helper is gone, so are its locks.
            if (!helper.lost) await helper.call({ kind: "unlock", handle }).answer;
          } finally {
            this.#unuse();
          }
        },
      };
    });
  }

  async #using<T>(work: (helper: HelperConnection) => Promise<T>): Promise<T> {
    this.#uses += 1;
    clearTimeout(this.#idleTimer);
    try {
      const helper = await this.#connected();
      helper.keepAlive(true);
      return await work(helper);
    } finally {
      this.#unuse();
    }
  }

  #unuse(): void {
    this.#uses -= 1;
    if (this.#uses > 0) return;
    void this.#connection?.then(
      (helper) => helper.keepAlive(this.#uses > 0),
      () => {},
    );
    this.#idleTimer = setTimeout(() => this.#close(), this.#idleMs).unref();
  }

  #close(): void {
    void this.#connection?.then(
      (helper) => helper.close(),
      () => {},
    );
    this.#connection = undefined;
  }

  #connected(): Promise<HelperConnection> {
    if (this.#connection !== undefined) return this.#connection;
    const starting = HelperConnection.start(this.#launcher);
    const forget = () => {
      if (this.#connection === starting) this.#connection = undefined;
    };
    starting.then((helper) => helper.ended).then(forget, forget);
    this.#connection = starting;
    return starting;
  }
}

/** Makes a call that waits and can be cancelled. If a lock was acquired nevertheless, it is released. */
async function waitFor(helper: HelperConnection, call: HelperCall, signal?: AbortSignal): Promise<HelperValue> {
  throwIfAborted(signal);
  const { id, answer } = helper.call(call);
  const forget = onAbort(signal, () => {
    // The answer to the cancellation does not matter, only the end of the call itself.
    helper.call({ kind: "cancel", request: id }).answer.catch(() => {});
  });
  try {
    const value = await answer;
    if (signal?.aborted !== true) return value;
    if (call.kind === "lock") await helper.call({ kind: "unlock", handle: Number(value) }).answer;
  } catch (error) {
    if (signal?.aborted !== true || !isSystemError(error, "ECANCELED")) throw error;
  } finally {
    forget();
  }
  throw abortError(signal as AbortSignal);
}
