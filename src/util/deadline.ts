/** A time limit for one piece of work. */
import { linked, raceAbort, throwIfAborted } from "./abort.ts";
import { KumiteError } from "./errors.ts";
import { timerMs } from "./timer.ts";

/**
 * Runs the work with a signal that aborts after `timeoutMs` or with `parent`, and rejects at that moment even if the
 * work ignores the signal. A later result is dropped, so the work must release what it holds when its signal aborts.
 *
 * @param what names the work in the error, e.g. "connecting to the agent"
 * @throws KumiteError `timeout`; `aborted` if the parent aborted
 */
export function withDeadline<T>(
  timeoutMs: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  return new Promise((resolve, reject) => {
    throwIfAborted(parent);
    const scope = linked(parent);
    const timer = setTimeout(() => {
      scope.abort(new KumiteError("timeout", `${what} took longer than ${timeoutMs} ms`, { data: { timeoutMs } }));
    }, timerMs(timeoutMs));
    const over = (): void => {
      clearTimeout(timer as never);
      scope.unlink();
    };
    raceAbort(begin(work, scope.signal), scope.signal).then(
      (value) => {
        over();
        resolve(value);
      },
      (error: unknown) => {
        over();
        reject(error);
      },
    );
  });
}

/** Turns a synchronous exception of the work into a rejection. */
function begin<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return work(signal);
  } catch (error) {
    return Promise.reject(error);
  }
}
