/**
 * The journal of a container: every step is on disk before its resource is created, so that it can be undone after a
 * crash. The journal of a sandbox's first container contains the sandbox's steps too. Only one process at a time, the
 * owner, writes a journal: `create` hands it from the verb to the shim, and the shim releases that of a container that
 * leaves the sandbox. Knows nothing of how a step is undone.
 */
import type { Os, ProcessId } from "../sys/os.ts";
import { coalesced } from "../util/coalesced.ts";
import { KumiteError } from "../util/errors.ts";
import { isRecord } from "../util/json.ts";
import { type Step, stepKey } from "./step.ts";
import { corruptFile, readVersioned, serializeVersioned } from "./versioned-file.ts";

const phase = "journal.read";

export interface JournalContent {
  readonly id: string;
  /** The sandbox that the container joined; absent if it created its own, which has its id and lives as long. */
  readonly sandbox?: string;
  /** Random: distinguishes two containers that had the same id one after the other. */
  readonly token: string;
  /** The only process that may write the journal. */
  readonly owner: ProcessId;
  /** Oldest first. */
  readonly steps: readonly Step[];
}

/** Owner of a released journal: recovery has no process to end. */
export const nobody: ProcessId = { pid: 0, startTicks: 0 };

export class Journal {
  #content: JournalContent;
  /** The content that is known to be on disk. */
  #durable: JournalContent | undefined;
  readonly #save: () => Promise<void>;

  /** @param isOnDisk whether the content was read from the file; default false */
  constructor(os: Os, file: string, content: JournalContent, isOnDisk = false) {
    this.#content = content;
    this.#durable = isOnDisk ? content : undefined;
    this.#save = coalesced(async () => {
      const written = this.#content;
      await os.files.replace(file, serializeJournal(written));
      this.#durable = written;
    });
  }

  /** The last content that was written or is about to be. */
  get content(): JournalContent {
    return this.#content;
  }

  /** Writes the steps; those already in the journal keep their place. Resolves when they are durable. */
  async record(...steps: readonly Step[]): Promise<void> {
    const known = new Set(this.#content.steps.map(stepKey));
    const added = steps.filter((step) => !known.has(stepKey(step)));
    if (added.length > 0) this.#content = { ...this.#content, steps: [...this.#content.steps, ...added] };
    // Without a new step too: a known one may still be on its way to the disk.
    if (this.#content !== this.#durable) await this.#save();
  }

  /**
   * Records the step, then creates its resource. If that fails the step stays, since part of the resource may exist.
   */
  async make<T>(step: Step, action: () => Promise<T>): Promise<T> {
    await this.record(step);
    return action();
  }

  /** Adds pid and start time of the created process to the process step `key`. */
  async made(key: string, { pid, startTicks }: ProcessId): Promise<void> {
    const { steps } = this.#content;
    const index = steps.findIndex((step) => step.kind === "process" && step.key === key);
    if (index < 0) throw new KumiteError("internal", `process ${key} was started, but has no step in the journal`);
    this.#content = { ...this.#content, steps: steps.with(index, { kind: "process", key, pid, startTicks }) };
    await this.#save();
  }

  /** Removes steps whose resources no longer exist. */
  async forget(steps: readonly Step[]): Promise<void> {
    const gone = new Set(steps.map(stepKey));
    this.#content = { ...this.#content, steps: this.#content.steps.filter((step) => !gone.has(stepKey(step))) };
    await this.#save();
  }

  /** Makes another process the owner; when this resolves, this object must not write any more. */
  async handOver(owner: ProcessId): Promise<void> {
    this.#content = { ...this.#content, owner: { pid: owner.pid, startTicks: owner.startTicks } };
    await this.#save();
  }
}

export function serializeJournal(content: JournalContent): string {
  return serializeVersioned(content);
}

/** `undefined` if there is no journal. Any process may read it. @throws KumiteError `journal/corrupt` */
export async function readJournal(os: Os, file: string): Promise<JournalContent | undefined> {
  const document = await readVersioned(os, file, phase);
  return document === undefined ? undefined : journalIn(document, file);
}

function journalIn({ id, sandbox, token, owner, steps }: Record<string, unknown>, file: string): JournalContent {
  if (typeof id !== "string" || typeof token !== "string") throw corrupt(file, "id or token is missing");
  if (sandbox !== undefined && typeof sandbox !== "string") throw corrupt(file, "sandbox is not an id");
  if (!isProcessId(owner)) throw corrupt(file, "owner is not a process");
  if (!Array.isArray(steps)) throw corrupt(file, "steps are missing");
  steps.forEach((step, index) => {
    if (!isStep(step)) throw corrupt(file, `steps[${index}] is unknown: ${JSON.stringify(step)}`);
  });
  return { id, ...(sandbox !== undefined && { sandbox }), token, owner, steps: steps as Step[] };
}

function isStep(value: unknown): value is Step {
  if (!isRecord(value)) return false;
  switch (value.kind as Step["kind"]) {
    case "directory":
    case "file":
    case "cgroup":
    case "cgroup-parent":
      return isAbsolute(value.path);
    case "mount":
      return isAbsolute(value.target);
    case "process":
      return typeof value.key === "string" && (value.pid === undefined || isProcessId(value));
    default:
      return false;
  }
}

function isAbsolute(value: unknown): boolean {
  return typeof value === "string" && value.startsWith("/");
}

function isProcessId(value: unknown): value is ProcessId {
  return isRecord(value) && Number.isSafeInteger(value.pid) && Number.isSafeInteger(value.startTicks);
}

function corrupt(file: string, what: string): KumiteError {
  return corruptFile(file, phase, what);
}
