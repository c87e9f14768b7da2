/**
 * Which containers lost a process for want of memory. The kernel says so the moment it happens; several in a row that
 * nobody has fetched yet are one.
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

/** What tells of containers: the sandbox. */
interface Containers {
  observe(observer: (container: Container) => void): void;
}

export class OomEvents {
  readonly #pending = new Set<string>();
  #arrival: Deferred<void> = deferred();

  /** Watches the containers there are and those that will be. */
  constructor(containers: Containers, log: Logger) {
    containers.observe((container) => this.#watch(container, log));
  }

  /** Id of a container. Each event goes to one who asks. */
  async next(signal: AbortSignal): Promise<string> {
    for (;;) {
      const [id] = this.#pending;
      if (id !== undefined) {
        this.#pending.delete(id);
        return id;
      }
      await raceAbort(this.#arrival.promise, signal);
    }
  }

  #watch(container: Container, log: Logger): void {
    try {
      const kills = new KillCounter(container.cgroup.directory, () => this.#add(container.id));
      container.undo.add("watch of memory", () => kills.close());
      // The end must not overtake what was its reason.
      void container.first.exited.then(() => kills.look());
    } catch (error) {
      // A hierarchy without memory, or a container that is just going.
      log.warn("lack of memory is not told", { container: container.id, error: messageOf(error) });
    }
  }

  #add(id: string): void {
    this.#pending.add(id);
    const arrived = this.#arrival;
    this.#arrival = deferred();
    arrived.resolve();
  }
}

/** Follows the number of killed processes in a cgroup's memory.events. */
class KillCounter {
  readonly #fd: number;
  readonly #watch: Watch;
  readonly #onKill: () => void;
  #count: bigint;
  #closed = false;

  constructor(cgroup: string, onKill: () => void) {
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
      if (count > this.#count) this.#onKill();
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
