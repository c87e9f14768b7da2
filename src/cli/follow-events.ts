/**
 * What `events` reports about a container, until the container ends. Three independent sources report that end, and any
 * of them is enough, so that missing one does not mean waiting forever. Knows no shim and prints nothing itself.
 */
import { delay } from "../util/abort.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError } from "../util/errors.ts";

export interface EventSource {
  /**
   * The number of out-of-memory events. Answers at once without `seen`; otherwise when the number exceeds `seen` or the
   * container has ended.
   */
  readonly awaitOom: (seen: bigint | undefined) => Promise<{ readonly count: bigint; readonly ended: boolean }>;
  readonly printOom: () => Promise<void>;
  readonly printStats: () => Promise<void>;
  /** Each resolves when the container has ended or can no longer be asked. */
  readonly ends: readonly Promise<unknown>[];
}

/** How long to wait for the last out-of-memory event after another source reported the end. */
const lastWordsMs = 2000;

/** Resolves when the container has ended. @throws KumiteError if an answer is invalid */
export async function followEvents(source: EventSource, intervalMs: number, graceMs = lastWordsMs): Promise<void> {
  const over = new AbortController();
  const memory = followMemory(source).catch(unlessEnded);
  const stats = followStats(source, intervalMs, over.signal).catch(unlessEnded);
  const ends = source.ends.map((end) => end.then(() => {}, unlessEnded));
  try {
    await Promise.race([memory, stats, ...ends]);
    // An out-of-memory event may be the reason for the end, so it is reported first.
    await withDeadline(graceMs, "waiting for the last out-of-memory event", () => memory).catch((error: unknown) => {
      if (!isKumiteError(error, "timeout")) throw error;
    });
  } finally {
    over.abort();
    for (const part of [memory, stats, ...ends]) part.catch(() => {});
  }
}

async function followMemory({ awaitOom, printOom }: EventSource): Promise<void> {
  let { count: seen, ended } = await awaitOom(undefined);
  while (!ended) {
    const next = await awaitOom(seen);
    for (; seen < next.count; seen++) await printOom();
    ended = next.ended;
  }
}

async function followStats({ printStats }: EventSource, intervalMs: number, over: AbortSignal): Promise<void> {
  for (;;) {
    await delay(intervalMs, over);
    await printStats();
  }
}

/** Each of these errors means that the container has ended. */
function unlessEnded(error: unknown): void {
  if (!isKumiteError(error, "container/wrong-state", "container/not-found", "shim/unreachable", "aborted")) throw error;
}
