/** Names what a new process was doing when something failed, so that the caller learns more than an errno. */
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";

/** @param what e.g. `mounting /proc`; an error that already says what failed passes through. */
export function step<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isKumiteError(error)) throw error;
    throw new KumiteError("agent/failed", `${what}: ${messageOf(error)}`, { cause: error });
  }
}
