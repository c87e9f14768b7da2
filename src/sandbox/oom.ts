/**
 * Counts how often the guest's kernel killed a process of a container for lack of memory. Events are followed from the
 * first request on, so containers that nobody asks about cost nothing.
 */
import { delay, raceAbort } from "../util/abort.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { messageOf } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** Limits how often a misbehaving guest can keep this process busy. */
const leastIntervalMs = 20;
/** Limits the lines that one event can produce for its followers. Our agent reports no more in one event. */
const maxKillsPerEvent = 64;

export interface OomCount {
  readonly count: number;
  /** The container has ended, so the count is final. */
  readonly ended: boolean;
}

/**
 * Resolves when the count exceeds `seen` or the container has ended; at once if `seen` is missing.
 *
 * @throws KumiteError `container/not-found`
 */
export async function awaitOom(
  sandbox: Sandbox,
  id: string,
  seen: number | undefined,
  signal: AbortSignal,
): Promise<OomCount> {
  const { process } = sandbox.container(id);
  // The current state decides. A change is only a reason to look again.
  const ended = (): boolean => process.state.phase === "stopped";
  if (!ended()) sandbox.oom ??= OomWatch.begin(sandbox);
  const watch = sandbox.oom;
  if (watch === undefined) return { count: seen ?? 0, ended: ended() };
  while (!ended() && seen !== undefined && watch.count(id) <= seen) {
    await raceAbort(Promise.race<unknown>([watch.change, process.exited]), signal);
  }
  return { count: watch.count(id), ended: ended() };
}

export class OomWatch {
  readonly #counts = new Map<string, number>();
  #change: Deferred<void> = deferred();

  static begin(sandbox: Sandbox): OomWatch {
    const watch = new OomWatch();
    watch.#follow(sandbox).catch((error: unknown) => {
      if (sandbox.state.phase === "running") {
        sandbox.host.log.warn(`out-of-memory events are no longer reported: ${messageOf(error)}`);
      }
    });
    return watch;
  }

  count(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  /** Resolves at the next change of any count. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  async #follow(sandbox: Sandbox): Promise<never> {
    const { agent } = sandbox.running().vm;
    for (;;) {
      const { containerId, kumiteKills } = await agent.getOOMEvent({});
      if (sandbox.containers.has(containerId)) {
        // Only our agent reports how many processes were killed.
        const kills = Math.min(kumiteKills || 1, maxKillsPerEvent);
        sandbox.host.log.warn("the guest's kernel killed a process for lack of memory", {
          container: containerId,
          processes: kills,
        });
        this.#counts.set(containerId, this.count(containerId) + kills);
        const change = this.#change;
        this.#change = deferred();
        change.resolve();
      }
      await delay(leastIntervalMs);
    }
  }
}
