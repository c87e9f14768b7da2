/**
 * A time limit for a guest: it does not count the time in which the VM wanted a processor and the host gave it none.
 * Many VMs that start at once on a small host are all slow, but none of them hangs.
 */
import { mostExtended } from "../config/start-limit.ts";
import { longestWaitMs } from "../hypervisor/processor-waits.ts";
import type { Os } from "../sys/os.ts";
import { delay, linked, raceAbort } from "../util/abort.ts";
import { KumiteError } from "../util/errors.ts";

/** A guest that is nearly out of time is not looked at more often than this. */
const shortestPauseMs = 50;

export interface GuestLimit {
  /** Names the work in the error, e.g. "the agent's first answer". */
  readonly what: string;
  /** Time that the VM may take if it always has a processor when it wants one. */
  readonly timeoutMs: number;
  /** Process of the VMM. It began with the work, or shortly before. */
  readonly pid: number;
}

/** The longest time that the work of a limit may take, however busy the host is. */
export function longestMs(timeoutMs: number): number {
  return timeoutMs * mostExtended;
}

/**
 * Runs the work with a signal that aborts at the limit or with `parent`, and rejects at that moment.
 * @throws KumiteError `timeout`; `aborted` if the parent aborted
 */
export async function withGuestLimit<T>(
  os: Os,
  limit: GuestLimit,
  work: (signal: AbortSignal) => Promise<T>,
  parent: AbortSignal,
): Promise<T> {
  const scope = linked(parent);
  const done = new AbortController();
  watch(os, limit, done.signal).then(
    (error) => scope.abort(error),
    // The work was done in time.
    () => {},
  );
  try {
    return await raceAbort(work(scope.signal), scope.signal);
  } finally {
    done.abort();
    scope.unlink();
  }
}

/** Resolves when the limit is reached. The kernel's counters are read only when the time has passed without them. */
async function watch(os: Os, { what, timeoutMs, pid }: GuestLimit, done: AbortSignal): Promise<KumiteError> {
  const startedMs = os.clock.monotonic();
  for (let pauseMs = timeoutMs; ; ) {
    await delay(pauseMs, done);
    const waitedMs = await longestWaitMs(os, pid);
    const elapsedMs = os.clock.monotonic() - startedMs;
    const leftMs = timeLeftMs({ timeoutMs, elapsedMs, waitedMs });
    if (leftMs <= 0) return limitReached(what, timeoutMs, elapsedMs);
    pauseMs = Math.max(leftMs, shortestPauseMs);
  }
}

/** Time until the limit is reached if the VM has a processor from now on. */
export function timeLeftMs(times: {
  readonly timeoutMs: number;
  readonly elapsedMs: number;
  readonly waitedMs: number;
}): number {
  const { timeoutMs, elapsedMs, waitedMs } = times;
  return Math.min(timeoutMs - Math.max(0, elapsedMs - waitedMs), longestMs(timeoutMs) - elapsedMs);
}

function limitReached(what: string, timeoutMs: number, elapsedMs: number): KumiteError {
  const longer = Math.round(elapsedMs) - timeoutMs;
  const waits = longer < 1000 ? "" : `, and ${longer} ms more because the VM had to wait for a processor`;
  return new KumiteError("timeout", `${what} took longer than ${timeoutMs} ms${waits}`, { data: { timeoutMs } });
}
