/** Adds to an error what the new process was doing, so that the caller learns more than an errno. */
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";

/** @param what for example `mounting /proc`. A KumiteError, which already says what failed, passes unchanged. */
export function step<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isKumiteError(error)) throw error;
    throw new KumiteError("agent/failed", `${what}: ${messageOf(error)}`, { cause: error });
  }
}
