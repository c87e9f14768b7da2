/**
 * What `events` tells of a container, from the beginning to the container's end. Three see that end independently of each
 * other, and each would do: nobody waits for ever because one of them missed it. Knows no shim and prints nothing itself.
 */
import { delay } from "../util/abort.ts";
import { withDeadline } from "../util/deadline.ts";
import { isKumiteError } from "../util/errors.ts";

export interface EventSource {
  /** How often the container lacked memory: at once without `seen`, else when it is more than that or it has ended. */
  readonly awaitOom: (seen: bigint | undefined) => Promise<{ readonly count: bigint; readonly ended: boolean }>;
  readonly printOom: () => Promise<void>;
  readonly printStats: () => Promise<void>;
  /** Each resolves when the container has ended, or can be asked no more. */
  readonly ends: readonly Promise<unknown>[];
}

/** For the last lack of memory to be told when something else tells of the end. */
const lastWordsMs = 2000;

/** Resolves with the container's end. @throws KumiteError what is wrong with the answers */
export async function followEvents(source: EventSource, intervalMs: number, graceMs = lastWordsMs): Promise<void> {
  const over = new AbortController();
  const memory = followMemory(source).catch(unlessEnded);
  const stats = followStats(source, intervalMs, over.signal).catch(unlessEnded);
  const ends = source.ends.map((end) => end.then(() => {}, unlessEnded));
  try {
    await Promise.race([memory, stats, ...ends]);
    // It tells first what the end's reason may have been.
    await withDeadline(graceMs, "the last of the memory", () => memory).catch((error: unknown) => {
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

/** The container's end is met in any of these. */
function unlessEnded(error: unknown): void {
  if (!isKumiteError(error, "container/wrong-state", "container/not-found", "shim/unreachable", "aborted")) throw error;
}
