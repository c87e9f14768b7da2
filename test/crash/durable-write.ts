/**
 * Describes what a stopped process is about to make durable, with the same words in each run, so that a walk recognises
 * the place.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import type { JournalContent } from "../../src/persist/journal.ts";
import { containerPaths } from "../../src/persist/paths.ts";
import type { ContainerRecord } from "../../src/persist/record.ts";
import { type Step, type StepKind, stepKey } from "../../src/persist/step.ts";
import type { Stop } from "./gate.ts";

export interface DurableWrite {
  /** E.g. `journal: mount added, before`. */
  readonly label: string;
  /** Kinds of the steps that the write adds, completes or removes. */
  readonly kinds: readonly StepKind[];
}

/** Labels each stop of one sandbox. A `sync` is labelled after the preceding rename of the same process. */
export class DurableWrites {
  readonly #paths: ReturnType<typeof containerPaths>;
  readonly #last = new Map<number, DurableWrite>();

  constructor(root: string, id: string) {
    this.#paths = containerPaths(root, id);
  }

  /** `undefined` for a write of another sandbox, and for a second sync after one rename. */
  nameOf(stop: Stop): DurableWrite | undefined {
    if (stop.call === "sync") {
      const last = this.#last.get(stop.pid);
      this.#last.delete(stop.pid);
      return last && { ...last, label: `${last.label}, after` };
    }
    const write = this.#writeOf(stop.from, stop.to);
    if (write === undefined) return undefined;
    this.#last.set(stop.pid, write);
    return { ...write, label: `${write.label}, before` };
  }

  #writeOf(from: string, to: string): DurableWrite | undefined {
    const { directory, journal, state } = this.#paths;
    if (to === directory) return { label: "claim", kinds: [] };
    if (from === directory) return { label: "release", kinds: [] };
    const name = path.basename(to);
    if (to === journal || name === path.basename(journal)) return journalWrite(contentOf(to), contentOf(from));
    if (name === path.basename(state)) return { label: `state: ${phaseOf(from)}`, kinds: [] };
    if (path.dirname(to) === directory) return { label: name, kinds: [] };
    return name.endsWith("-pid") ? { label: "pid file", kinds: [] } : undefined;
  }
}

function journalWrite(before: JournalContent | undefined, after: JournalContent | undefined): DurableWrite {
  const old = new Map((before?.steps ?? []).map((step) => [stepKey(step), JSON.stringify(step)]));
  const next = after?.steps ?? [];
  const added = next.filter((step) => !old.has(stepKey(step)));
  const made = next.filter((step) => old.has(stepKey(step)) && old.get(stepKey(step)) !== JSON.stringify(step));
  const kept = new Set(next.map(stepKey));
  const forgotten = (before?.steps ?? []).filter((step) => !kept.has(stepKey(step)));
  const handed = before !== undefined && before.owner.pid !== after?.owner.pid;
  const parts = [
    ...wordsOf("add", added),
    ...wordsOf("made", made),
    ...wordsOf("forget", forgotten),
    ...(handed ? ["hand over"] : []),
  ];
  const kinds = [...new Set([...added, ...made, ...forgotten].map(({ kind }) => kind))];
  return { label: `journal: ${parts.length === 0 ? "begin" : parts.join(", ")}`, kinds };
}

function wordsOf(what: string, steps: readonly Step[]): string[] {
  const names = [...new Set(steps.map(shortName))];
  return names.length === 0 ? [] : [`${what} ${names.join(" ")}`];
}

/** Omits what differs from run to run. */
function shortName(step: Step): string {
  switch (step.kind) {
    case "process":
      return step.key;
    case "mount":
      return `mount:${path.basename(step.target)}`;
    case "directory":
    case "file":
      return `${step.kind}:${/^[0-9a-f]{16}$/.test(path.basename(step.path)) ? "socket" : path.basename(step.path)}`;
    case "cgroup":
    case "cgroup-parent":
      return step.kind;
  }
}

function contentOf(file: string): JournalContent | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as JournalContent;
  } catch {
    return undefined;
  }
}

function phaseOf(file: string): string {
  return (JSON.parse(readFileSync(file, "utf8")) as ContainerRecord).status.phase;
}
