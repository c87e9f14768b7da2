/**
 * Which containers lost processes for want of memory. The kernel says so the moment it happens, and how many they are: those
 * that nobody has fetched yet are one event with their number.
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
/** More are told by further events: who asks need not believe any number. */
const maxKillsPerEvent = 64;

export interface OomEvent {
  readonly containerId: string;
  /** At least one. */
  readonly kills: number;
}

/** What tells of containers: the sandbox. */
interface Containers {
  observe(observer: (container: Container) => void): void;
}

export class OomEvents {
  /** Kills that were not told yet, by container. */
  readonly #pending = new Map<string, number>();
  #arrival: Deferred<void> = deferred();

  /** Watches the containers there are and those that will be. */
  constructor(containers: Containers, log: Logger) {
    containers.observe((container) => this.#watch(container, log));
  }

  /** Each event goes to one who asks. */
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
      // The end must not overtake what was its reason.
      void container.first.exited.then(() => kills.look());
    } catch (error) {
      // A hierarchy without memory, or a container that is just going.
      log.warn("out-of-memory events are not reported", { container: container.id, error: messageOf(error) });
    }
  }

  /** What is left goes to the end, so that no container keeps another one's events back. */
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

/** Follows the number of killed processes in a cgroup's memory.events. */
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
      // The cgroup is gone.
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
