/** The only implementation of retries. */
import { delay, throwIfAborted } from "./abort.ts";
import { withDeadline } from "./deadline.ts";
import { KumiteError, messageOf } from "./errors.ts";

export interface RetryOptions {
  /** Names the work in the error, e.g. "connecting to the agent". */
  readonly what: string;
  /** Timeout of all attempts and pauses together. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** First pause; default 5 ms. Each pause is twice the previous one. */
  readonly firstPauseMs?: number;
  /** Longest pause; default 200 ms. */
  readonly longestPauseMs?: number;
  /** Which errors are worth another attempt; default all. */
  readonly retryIf?: (error: unknown) => boolean;
}

/**
 * Runs the attempt until it succeeds.
 * @throws the attempt's error if `retryIf` refuses it; KumiteError `timeout` whose cause is the last error; `aborted`
 */
export async function retry<T>(
  attempt: (signal: AbortSignal) => Promise<T>,
  { what, timeoutMs, signal, firstPauseMs = 5, longestPauseMs = 200, retryIf = () => true }: RetryOptions,
): Promise<T> {
  let attempts = 0;
  let last: { readonly error: unknown } | undefined;
  let limit: AbortSignal | undefined;

  const loop = async (within: AbortSignal): Promise<T> => {
    limit = within;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      attempts += 1;
      try {
        return await attempt(within);
      } catch (error) {
        throwIfAborted(within);
        if (!retryIf(error)) throw error;
        last = { error };
      }
      await delay(pauseMs, within);
    }
  };

  try {
    return await withDeadline(timeoutMs, what, loop, signal);
  } catch (error) {
    const ranOut = limit?.reason === error && signal?.aborted !== true;
    if (!ranOut || last === undefined) throw error;
    throw new KumiteError("timeout", `${what} did not succeed within ${timeoutMs} ms: ${messageOf(last.error)}`, {
      data: { timeoutMs, attempts },
      cause: last.error,
    });
  }
}
