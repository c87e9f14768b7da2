/**
 * Helpers for functions that wait with an AbortSignal. An aborted wait always ends with a KumiteError: the signal's
 * reason if that is one, otherwise code `aborted` with the reason as its cause.
 */
import { KumiteError } from "./errors.ts";
import { timerMs } from "./timer.ts";

export function abortError(signal: AbortSignal): KumiteError {
  const { reason } = signal;
  return reason instanceof KumiteError
    ? reason
    : new KumiteError("aborted", "the operation was aborted", { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

function nothing(): void {}

/** Calls back when the signal aborts, at once if it already has. The returned function removes the callback. */
export function onAbort(signal: AbortSignal | undefined, callback: () => void): () => void {
  if (signal === undefined) return nothing;
  if (signal.aborted) {
    callback();
    return nothing;
  }
  signal.addEventListener("abort", callback, { once: true });
  return () => signal.removeEventListener("abort", callback);
}

/**
 * The promise, or a rejection as soon as the signal aborts. The work behind the promise continues. If that is not
 * harmless, pass the signal to the work itself.
 */
export function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(abortError(signal)));
    promise.then(
      (value) => {
        forget();
        resolve(value);
      },
      (error: unknown) => {
        forget();
        reject(error);
      },
    );
  });
}

/** A signal that never aborts, for one piece of work. Waits on a shared signal would accumulate listeners. */
export function unlimited(): AbortSignal {
  return new AbortController().signal;
}

/** A controller that also aborts when a parent does. */
export interface LinkedController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
  /** Removes its listeners from the parents, which may live longer. Call it after the work; it does not abort. */
  unlink(): void;
}

export function linked(...parents: readonly (AbortSignal | undefined)[]): LinkedController {
  const controller = new AbortController();
  const links: (() => void)[] = [];
  for (const parent of parents) {
    if (parent !== undefined) links.push(onAbort(parent, () => controller.abort(parent.reason)));
  }
  return {
    signal: controller.signal,
    abort: (reason) => controller.abort(reason),
    unlink: () => {
      for (const unlink of links) unlink();
    },
  };
}

/** Resolves after `ms`; rejects if the signal aborts before. */
export function delay(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    throwIfAborted(signal);
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, timerMs(ms));
    const forget = onAbort(signal, () => {
      clearTimeout(timer as never);
      reject(abortError(signal as AbortSignal));
    });
  });
}
