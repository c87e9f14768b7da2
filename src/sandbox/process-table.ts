/**
 * The processes of a sandbox by name. A relay may ask for its process before the request that creates the process has
 * arrived. Such requests wait, up to a limit in number and time.
 */
import { withDeadline } from "../util/deadline.ts";
import { type Deferred, deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";
import { type ProcessKey, type SandboxProcess, titleOf } from "./process.ts";

const maxWaiting = 256;
const waitTimeoutMs = 60_000;

interface Waiting {
  readonly name: string;
  readonly arrival: Deferred<SandboxProcess>;
}

export class ProcessTable {
  readonly #processes = new Map<string, SandboxProcess>();
  #waiting: Waiting[] = [];

  /** @throws KumiteError `process/exists`, or `container/exists` for a container's own process */
  add(process: SandboxProcess): void {
    const name = nameOf(process.key);
    if (this.#processes.has(name)) {
      const code = process.key.execId === undefined ? "container/exists" : "process/exists";
      throw new KumiteError(code, `${process.title} already exists`, { data: { ...process.key } });
    }
    this.#processes.set(name, process);
    const [arrived, others] = partition(this.#waiting, (waiting) => waiting.name === name);
    this.#waiting = others;
    for (const { arrival } of arrived) arrival.resolve(process);
  }

  remove(process: SandboxProcess): void {
    const name = nameOf(process.key);
    if (this.#processes.get(name) === process) this.#processes.delete(name);
  }

  /** @throws KumiteError `container/not-found`, `process/not-found` */
  get(key: ProcessKey): SandboxProcess {
    const process = this.#processes.get(nameOf(key));
    if (process === undefined) throw notFound(key);
    return process;
  }

  has(key: ProcessKey): boolean {
    return this.#processes.has(nameOf(key));
  }

  /** Like `get`, but waits up to a minute for the process to appear. */
  async awaited(key: ProcessKey, signal: AbortSignal): Promise<SandboxProcess> {
    const present = this.#processes.get(nameOf(key));
    if (present !== undefined) return present;
    if (this.#waiting.length >= maxWaiting) throw notFound(key);
    const waiting: Waiting = { name: nameOf(key), arrival: deferred<SandboxProcess>() };
    this.#waiting.push(waiting);
    try {
      return await withDeadline(waitTimeoutMs, `waiting for ${titleOf(key)}`, () => waiting.arrival.promise, signal);
    } finally {
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
    }
  }

  /** The processes of one container, its own process first. */
  of(containerId: string): SandboxProcess[] {
    const found = [...this.#processes.values()].filter((process) => process.key.containerId === containerId);
    return found.sort((a, b) => Number(a.key.execId !== undefined) - Number(b.key.execId !== undefined));
  }
}

function notFound(key: ProcessKey): KumiteError {
  const code = key.execId === undefined ? "container/not-found" : "process/not-found";
  return new KumiteError(code, `${titleOf(key)} does not exist`, { data: { ...key } });
}

// Ids contain no spaces.
function nameOf({ containerId, execId }: ProcessKey): string {
  return execId === undefined ? containerId : `${containerId} ${execId}`;
}

function partition<T>(items: readonly T[], isFirst: (item: T) => boolean): [T[], T[]] {
  return [items.filter(isFirst), items.filter((item) => !isFirst(item))];
}
