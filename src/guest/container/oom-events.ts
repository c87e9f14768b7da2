/**
 * Counts processes of containers that the kernel's OOM killer has ended. The kernel notifies the agent at once, with a
 * count. Kills that have not been fetched yet are merged into one event.
 */
import { Watch } from "../../sys/engine/loop.ts";
import { EPOLLPRI } from "../../sys/linux/epoll.ts";
import { closeQuietly, lseek, open, SEEK_SET } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { readToEnd } from "../../sys/linux/whole-file.ts";
import { raceAbort } from "../../util/abort.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { Container } from "./container.ts";

const maxBytes = 4096;
/** Further kills are reported by further events, so that the caller need not trust a huge number. */
const maxKillsPerEvent = 64;

export interface OomEvent {
  readonly containerId: string;
  /** At least one. */
  readonly kills: number;
}

/** The source of containers: the sandbox. */
interface Containers {
  observe(observer: (container: Container) => void): void;
}

export class OomEvents {
  /** Unreported kills, by container. */
  readonly #pending = new Map<string, number>();
  #arrival: Deferred<void> = deferred();

  /** Watches existing and future containers. */
  constructor(containers: Containers, log: Logger) {
    containers.observe((container) => this.#watch(container, log));
  }

  /** Each event is delivered to one caller only. */
  async next(signal: AbortSignal): Promise<OomEvent> {
    for (;;) {
      const [oldest] = this.#pending;
      if (oldest !== undefined) return this.#take(...oldest);
      await raceAbort(this.#arrival.promise, signal);
    }
  }

  #watch(container: Container, log: Logger): void {
    try {
      const kills = new KillCounter(container.cgroup.directory, (more) => this.#add(container.id, more));
      container.undo.add("watch of memory", () => kills.close());
      // The exit of a process must not be reported before the kill that caused it.
      void container.first.exited.then(() => kills.look());
    } catch (error) {
      // The hierarchy has no memory controller, or the container is being removed.
      log.warn("out-of-memory events are not reported", { container: container.id, error: messageOf(error) });
    }
  }

  /** The rest goes to the end of the queue, so that no container delays the events of others. */
  #take(containerId: string, pending: number): OomEvent {
    const kills = Math.min(pending, maxKillsPerEvent);
    this.#pending.delete(containerId);
    if (pending > kills) this.#pending.set(containerId, pending - kills);
    return { containerId, kills };
  }

  #add(id: string, kills: number): void {
    this.#pending.set(id, (this.#pending.get(id) ?? 0) + kills);
    const arrived = this.#arrival;
    this.#arrival = deferred();
    arrived.resolve();
  }
}

/** Watches the number of killed processes in a cgroup's memory.events. */
class KillCounter {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #onKill: (more: number) => void;
  #count: bigint;
  #closed = false;

  constructor(cgroup: string, onKill: (more: number) => void) {
    this.#onKill = onKill;
    this.#fd = open(`${cgroup}/memory.events`, O_RDONLY | O_CLOEXEC);
    this.#watch = new Watch(this.#fd, () => this.look(), { keepsRunning: false });
    try {
      this.#watch.set(EPOLLPRI);
      this.#count = this.#read();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  look(): void {
    if (this.#closed) return;
    try {
      const count = this.#read();
      if (count > this.#count) this.#onKill(Number(count - this.#count));
      this.#count = count;
    } catch (error) {
      // The cgroup has been removed.
      if (!isSystemError(error)) throw error;
      this.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeQuietly(this.#fd);
  }

  #read(): bigint {
    lseek(this.#fd, 0, SEEK_SET);
    const text = decodeUtf8(readToEnd(this.#fd, maxBytes, "memory.events"));
    return BigInt(/^oom_kill (\d{1,20})$/m.exec(text)?.[1] ?? "0");
  }
}
