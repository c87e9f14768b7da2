/** Items from a producer to one or more waiting consumers, in order. */
import { abortError, onAbort, throwIfAborted } from "./abort.ts";

/** Unbounded: the producer bounds what it puts in. */
export class Queue<T> {
  #items: T[] = [];
  #waiting: ((item: T | undefined) => void)[] = [];
  #closed = false;

  get length(): number {
    return this.#items.length;
  }

  /** False when the queue is closed: the item was not taken and stays the caller's to release. */
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

  /** Takes no more items; consumers get what is there and then `undefined`. */
  close(): void {
    this.#closed = true;
    for (const consumer of this.#waiting.splice(0)) consumer(undefined);
  }

  /** Closes and gives back what nobody took, for the caller to release. */
  drain(): T[] {
    this.close();
    return this.#items.splice(0);
  }
}
