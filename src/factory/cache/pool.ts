/**
 * Keeps a number of VMs ready, each in a shim of its own that waits to be told which container it is for. A VM that is
 * taken or ends is replaced. If VMs repeatedly fail to start, or end soon after, the pool fails.
 */
import { delay } from "../../util/abort.ts";
import { deferred } from "../../util/deferred.ts";
import { messageWithCauses } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { CachedShim } from "./protocol.ts";

/** A shim that was started and is not yet the caller's. */
export interface PooledShim {
  /** Resolves when its VM is running. */
  readonly ready: Promise<CachedShim>;
  /** Resolves when the shim has ended. Never rejects. */
  readonly ended: Promise<void>;
  /**
   * Tells the shim that it will be claimed soon. Resolves when it was claimed, or has ended because nobody did. Never
   * rejects.
   */
  release(): Promise<void>;
  /** Ends the shim. */
  stop(): void;
}

export interface PoolOptions {
  readonly size: number;
  readonly start: () => Promise<PooledShim>;
  readonly log: Logger;
}

const failuresInARow = 3;
/** A VM that has been ready for this long did not end because it was made wrongly. */
const settledMs = 60_000;
/** A new VM must not compete for the CPU with the container that is being started on the one just taken. */
const restMs = 500;

export class Pool {
  /** Resolves with the reason when the pool gives up. */
  readonly failed: Promise<string>;
  readonly #failed = deferred<string>();
  readonly #options: PoolOptions;
  readonly #ready = new Map<PooledShim, CachedShim>();
  readonly #living = new Set<PooledShim>();
  /** Given out, but not claimed yet. */
  readonly #promised = new Map<PooledShim, Promise<void>>();
  /** Shims whose start is under way. */
  readonly #starting = new Set<Promise<unknown>>();
  readonly #life = new AbortController();
  #failures = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.failed = this.#failed.promise;
    for (let count = 0; count < options.size; count++) void this.#fill();
  }

  get machines(): readonly CachedShim[] {
    return [...this.#ready.values()];
  }

  /** Returns a VM that is ready and then belongs to the caller; `undefined` if there is none. */
  take(): CachedShim | undefined {
    for (const [pooled, machine] of this.#ready) {
      this.#ready.delete(pooled);
      this.#living.delete(pooled);
      const fate = pooled.release().finally(() => this.#promised.delete(pooled));
      this.#promised.set(pooled, fate);
      this.#failures = 0;
      void this.#replace();
      return machine;
    }
    return undefined;
  }

  /** Ends every VM that was not taken, and resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#life.abort();
    await Promise.allSettled(this.#starting);
    const living = [...this.#living];
    for (const pooled of [...living, ...this.#promised.keys()]) pooled.stop();
    await Promise.all([...living.map((pooled) => pooled.ended), ...this.#promised.values()]);
  }

  async #replace(): Promise<void> {
    try {
      await delay(restMs, this.#life.signal);
    } catch {
      // The pool was closed, so no replacement is needed.
      return;
    }
    await this.#fill();
  }

  async #fill(): Promise<void> {
    const { start, log } = this.#options;
    if (this.#closed) return;
    try {
      const starting = start();
      this.#starting.add(starting);
      const pooled = await starting.finally(() => this.#starting.delete(starting));
      this.#living.add(pooled);
      void pooled.ended.then(() => this.#gone(pooled));
      const machine = await pooled.ready.catch((error: unknown) => {
        // A shim that took too long is still there.
        pooled.stop();
        throw error;
      });
      if (this.#living.has(pooled)) this.#ready.set(pooled, machine);
      void this.#settle(pooled);
      log.info("a VM is ready", { machine: machine.name });
    } catch (error) {
      if (this.#closed) return;
      log.error(`no VM could be started: ${messageWithCauses(error)}`);
      this.#fillAfter(messageWithCauses(error));
    }
  }

  #fillAfter(failure: string): void {
    this.#failures += 1;
    if (this.#failures >= failuresInARow) this.#failed.resolve(failure);
    else void this.#fill();
  }

  async #settle(pooled: PooledShim): Promise<void> {
    await delay(settledMs, this.#life.signal).catch(() => {});
    if (this.#ready.has(pooled)) this.#failures = 0;
  }

  /** The VM had not been taken and has ended by itself. */
  #gone(pooled: PooledShim): void {
    if (!this.#living.delete(pooled)) return;
    // A VM that was never ready is replaced by `#fill`, which waits for it.
    if (this.#ready.delete(pooled) && !this.#closed) {
      this.#options.log.warn("a VM that was ready has ended unexpectedly");
      this.#fillAfter("VMs end as soon as they are ready");
    }
  }
}
