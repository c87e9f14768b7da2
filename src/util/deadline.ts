/** A time limit for one piece of work. */
import { linked, raceAbort, throwIfAborted } from "./abort.ts";
import { KumiteError } from "./errors.ts";
import { timerMs } from "./timer.ts";

/** Asked when a time limit is over: how much longer the work may take, in milliseconds; 0 or less ends it. */
export type Extension = () => Promise<number>;

/**
 * Runs the work with a signal that aborts after `timeoutMs` or with `parent`, and rejects at that moment even if the
 * work ignores the signal. A later result is dropped, so the work must release what it holds when its signal aborts.
 *
 * @param what names the work in the error, e.g. "connecting to the agent"
 * @param extend default: the limit is never extended; nor is it when the extension fails
 * @throws KumiteError `timeout`; `aborted` if the parent aborted
 */
export function withDeadline<T>(
  timeoutMs: number,
  what: string,
  work: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
  extend: Extension = never,
): Promise<T> {
  return new Promise((resolve, reject) => {
    throwIfAborted(parent);
    const scope = linked(parent);
    let isOver = false;
    let timer: unknown;
    const expired = async (): Promise<void> => {
      const moreMs = await extend().catch(() => 0);
      if (isOver) return;
      if (moreMs > 0) timer = setTimeout(expired, timerMs(Math.ceil(moreMs)));
      else scope.abort(new KumiteError("timeout", `${what} took longer than ${timeoutMs} ms`, { data: { timeoutMs } }));
    };
    timer = setTimeout(expired, timerMs(timeoutMs));
    const over = (): void => {
      isOver = true;
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

const never: Extension = async () => 0;

/** Turns a synchronous exception of the work into a rejection. */
function begin<T>(work: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return work(signal);
  } catch (error) {
    return Promise.reject(error);
  }
}
