/**
 * How often the guest's kernel killed something of a container for want of memory. Followed from the first question on:
 * containers that nobody asks about cost nothing.
 */
import { delay, raceAbort } from "../util/abort.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { messageOf } from "../util/errors.ts";
import type { Sandbox } from "./sandbox.ts";

/** A guest that tells without end must not keep this process busy. */
const leastIntervalMs = 20;
/** Nor may one event of a guest be worth any number of lines to who follows them. Our agent tells no more at once. */
const maxKillsPerEvent = 64;

export interface OomCount {
  readonly count: number;
  /** The container has ended: it stays at that. */
  readonly ended: boolean;
}

/**
 * Resolves when the count is above `seen`, or the container has ended; at once without `seen`.
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
  // What is so decides; what is waited for is only a reason to look again.
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

  /** Resolves with the next change of any count. */
  get change(): Promise<void> {
    return this.#change.promise;
  }

  async #follow(sandbox: Sandbox): Promise<never> {
    const { agent } = sandbox.running().vm;
    for (;;) {
      const { containerId, kumiteKills } = await agent.getOOMEvent({});
      if (sandbox.containers.has(containerId)) {
        // Other agents do not count.
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
