/**
 * Keeps a number of machines ready: each in a shim of its own that waits to be told whose it is. One that is taken or ends
 * is replaced; one that cannot be made, or does not stay, again and again ends the pool.
 */
import { delay } from "../../util/abort.ts";
import { deferred } from "../../util/deferred.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import type { CachedShim } from "./protocol.ts";

/** A shim that was started and is not the caller's yet. */
export interface PooledShim {
  /** Resolves when its machine is up. */
  readonly ready: Promise<CachedShim>;
  /** Resolves when it has ended. Never rejects. */
  readonly ended: Promise<void>;
  /** It will be told whose it is, soon; and ends when it is not. Resolves with either. Never rejects. */
  release(): Promise<void>;
  /** Ends it. */
  stop(): void;
}

export interface PoolOptions {
  readonly size: number;
  readonly start: () => Promise<PooledShim>;
  readonly log: Logger;
}

const failuresInARow = 3;
/** One that has lived as long ready ended for a reason of its own. */
const settledMs = 60_000;
/** A container is being started on the machine that was taken, and has the processor first. */
const restMs = 500;

export class Pool {
  /** Resolves when the pool can go on no more, with the reason. */
  readonly failed: Promise<string>;
  readonly #failed = deferred<string>();
  readonly #options: PoolOptions;
  readonly #ready = new Map<PooledShim, CachedShim>();
  readonly #living = new Set<PooledShim>();
  /** Somebody's soon, and nobody's yet. */
  readonly #promised = new Map<PooledShim, Promise<void>>();
  /** Shims that are just being started. */
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

  /** One that is ready, which is the caller's then; `undefined` when there is none. */
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

  /** Ends all that nobody has taken, and resolves when they are gone. */
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
      // Nobody needs another one.
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
      const machine = await pooled.ready;
      if (this.#living.has(pooled)) this.#ready.set(pooled, machine);
      void this.#settle(pooled);
      log.info("a VM is ready", { machine: machine.name });
    } catch (error) {
      if (this.#closed) return;
      log.error(`no VM could be started: ${messageOf(error)}`);
      this.#fillAfter(messageOf(error));
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

  /** It was nobody's and has ended by itself. */
  #gone(pooled: PooledShim): void {
    if (!this.#living.delete(pooled)) return;
    // One that never was ready is replaced by who waits for it.
    if (this.#ready.delete(pooled) && !this.#closed) {
      this.#options.log.warn("a VM that was ready has ended unexpectedly");
      this.#fillAfter("VMs end as soon as they are ready");
    }
  }
}
