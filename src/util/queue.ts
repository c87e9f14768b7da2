/** Passes items from a producer to one or more waiting consumers, in order. */
import { abortError, onAbort, throwIfAborted } from "./abort.ts";

/** Unbounded: the producer has to limit what it adds. */
export class Queue<T> {
  #items: T[] = [];
  #waiting: ((item: T | undefined) => void)[] = [];
  #closed = false;

  get length(): number {
    return this.#items.length;
  }

  /** False if the queue is closed. The caller then still owns the item and has to release it. */
  push(item: T): boolean {
    if (this.#closed) return false;
    const consumer = this.#waiting.shift();
    if (consumer !== undefined) consumer(item);
    else this.#items.push(item);
    return true;
  }

  /** The oldest item; `undefined` once the queue is closed and empty. */
  async next(signal?: AbortSignal): Promise<T | undefined> {
    throwIfAborted(signal);
    const item = this.#items.shift();
    if (item !== undefined || this.#closed) return item;
    return new Promise((resolve, reject) => {
      const consumer = (value: T | undefined): void => {
        forget();
        resolve(value);
      };
      const forget = onAbort(signal, () => {
        this.#waiting = this.#waiting.filter((other) => other !== consumer);
        reject(abortError(signal as AbortSignal));
      });
      this.#waiting.push(consumer);
    });
  }

  /** Accepts no more items. Consumers get the remaining ones, then `undefined`. */
  close(): void {
    this.#closed = true;
    for (const consumer of this.#waiting.splice(0)) consumer(undefined);
  }

  /** Closes the queue and returns the remaining items, for the caller to release. */
  drain(): T[] {
    this.close();
    return this.#items.splice(0);
  }
}
