/**
 * The processes of one container by the ids that the host gave them, and the exit statuses of those that are gone. The
 * memory this takes is bounded: the oldest are forgotten first.
 */
import type { ExitStatus } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import type { ContainerProcess } from "./process.ts";

/** Processes that have ended but whose output has not been read completely. */
const maxUndrained = 64;
/** Statuses of processes that are gone completely. */
const maxStatuses = 256;

export class ProcessTable {
  readonly #containerId: string;
  readonly #processes = new Map<string, ContainerProcess>();
  readonly #reserved = new Set<string>();
  /** Kept for a host that lost the answer to its wait and asks again. */
  readonly #statuses = new Map<string, ExitStatus>();

  constructor(containerId: string) {
    this.#containerId = containerId;
  }

  /**
   * Reserves the id for a process that is being created, until the returned function is called.
   * @throws KumiteError `process/exists` while a process of that id is being created or runs
   */
  reserve(execId: string): () => void {
    const present = this.#processes.get(execId);
    if (this.#reserved.has(execId) || (present !== undefined && !present.hasEnded)) {
      throw new KumiteError("process/exists", `container ${this.#containerId} already has a process ${execId}`, {
        data: { container: this.#containerId, execId },
      });
    }
    this.#reserved.add(execId);
    return () => this.#reserved.delete(execId);
  }

  add(process: ContainerProcess): void {
    this.#processes.get(process.execId)?.io.close();
    this.#statuses.delete(process.execId);
    this.#processes.set(process.execId, process);
    void Promise.all([process.exited, process.io.drained]).then(() => this.#forget(process));
    void process.exited.then(() => this.#limit());
  }

  get(execId: string): ContainerProcess | undefined {
    return this.#processes.get(execId);
  }

  /** @throws KumiteError `process/not-found` */
  require(execId: string): ContainerProcess {
    const process = this.#processes.get(execId);
    if (process !== undefined) return process;
    throw new KumiteError("process/not-found", `container ${this.#containerId} has no process ${execId}`, {
      data: { container: this.#containerId, execId },
    });
  }

  /** The exit status of a process that is gone. */
  statusOf(execId: string): ExitStatus | undefined {
    return this.#statuses.get(execId);
  }

  /** Closes the streams of all processes, whether read or not. */
  close(): void {
    for (const process of this.#processes.values()) process.io.close();
  }

  #forget(process: ContainerProcess): void {
    const { execId, io, born } = process;
    // The id may belong to another process by now.
    if (this.#processes.get(execId) !== process || born.status === undefined) return;
    this.#processes.delete(execId);
    io.close();
    this.#statuses.set(execId, born.status);
    const [oldest] = this.#statuses.keys();
    if (this.#statuses.size > maxStatuses && oldest !== undefined) this.#statuses.delete(oldest);
  }

  /** Forgets the oldest ended processes: perhaps nobody is left to read their output. */
  #limit(): void {
    const ended = [...this.#processes.values()].filter(({ hasEnded }) => hasEnded);
    for (const process of ended.slice(0, Math.max(0, ended.length - maxUndrained))) this.#forget(process);
  }
}
