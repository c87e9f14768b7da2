/**
 * The crash walk of what is no verb of a container: a program is run once to learn when it makes something durable, when
 * processes of its come to be, and who lives then; and again, once for each, when that process is killed. Moments are
 * found, not listed. What is to be true afterwards is the caller's to see.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../support/eventually.ts";
import { Gate, type Stop } from "./gate.ts";

/** A process that may be killed, by its name and which of that name, from 0. */
export interface Victim {
  readonly name: string;
  readonly index: number;
}

/** The so-many-th durable write (the process stands still there), or that process's coming to be. */
export type Moment =
  | { readonly kind: "write"; readonly index: number; readonly words: string }
  | { readonly kind: "birth" };

export interface Cut {
  readonly at: Moment;
  readonly victim: Victim;
}

export interface Scene {
  /** Below it writes are moments. */
  readonly directory: string;
  /** What has to be there before each run; who lives by then is not killed. */
  readonly prepare?: () => Promise<void>;
  /** New for each run. */
  readonly argv: () => readonly string[];
  /** Programs that may die, by the name that they have in the process table. */
  readonly names: readonly RegExp[];
  /** It counts from where the program says this; default from the beginning. */
  readonly from?: string;
  /** Resolves when all has been done that follows from the program, whatever became of it. */
  readonly settled: (gate: Gate) => Promise<void>;
}

/** Everybody who can be killed, at every moment. Nobody is. */
export async function cutsOf(scene: Scene): Promise<Cut[]> {
  const cuts: Cut[] = [];
  const births = new Set<string>();
  await run(scene, {
    write: (index, words, living) => {
      for (const { victim } of living) cuts.push({ at: { kind: "write", index, words }, victim });
    },
    birth: (victim) => {
      if (!births.has(wordsOf(victim))) cuts.push({ at: { kind: "birth" }, victim });
      births.add(wordsOf(victim));
    },
  });
  return cuts;
}

/**
 * The victim is dead when this resolves, and so is what died of it.
 * @returns whether the moment came: processes that do their work beside each other may do it in another order
 */
export async function runWithCut(scene: Scene, { at, victim }: Cut): Promise<boolean> {
  let killed = false;
  const kill = async (living: readonly Living[]): Promise<void> => {
    // In another order than the first time the same one may not live yet, or not any more.
    const one = living.find((each) => wordsOf(each.victim) === wordsOf(victim)) ?? living[0];
    if (killed || one === undefined) return;
    killed = true;
    process.kill(one.pid, "SIGKILL");
    await eventually(`the death of ${wordsOf(victim)}`, () => (isAlive(one.pid) ? undefined : true));
  };
  await run(scene, {
    write: async (index, _words, living) => {
      if (at.kind === "write" && index === at.index) await kill(living);
    },
    birth: async (born, living) => {
      if (at.kind === "birth" && wordsOf(born) === wordsOf(victim)) await kill(living);
    },
  });
  return killed;
}

export function titleOf({ at, victim }: Cut): string {
  const when = at.kind === "birth" ? "when it has just come to be" : `at write ${at.index}: ${at.words}`;
  return `${wordsOf(victim)} ${when}`;
}

interface Living {
  readonly victim: Victim;
  readonly pid: number;
}

interface Watcher {
  write(index: number, words: string, living: readonly Living[]): void | Promise<void>;
  birth(victim: Victim, living: readonly Living[]): void | Promise<void>;
}

const lookEveryMs = 5;

async function run(scene: Scene, watcher: Watcher): Promise<void> {
  await scene.prepare?.();
  const before = new Set(pids());
  const seen = new Map<number, Victim>();
  const living = (): Living[] => {
    for (const pid of pids()) {
      const name = before.has(pid) || seen.has(pid) ? undefined : nameOf(pid, scene.names);
      // A child is called as its parent is until it runs its own program, whether or not that one was seen.
      const parent = parentOf(pid);
      const ofParent = seen.get(parent)?.name ?? (before.has(parent) ? undefined : nameOf(parent, scene.names));
      if (name === undefined || ofParent === name) continue;
      const index = [...seen.values()].filter((other) => other.name === name).length;
      seen.set(pid, { name, index });
    }
    return [...seen].flatMap(([pid, victim]) => (isAlive(pid) ? [{ pid, victim }] : []));
  };
  let writes = 0;
  let begun = scene.from === undefined;
  const onStop = async (stop: Stop): Promise<void> => {
    begun ||= gate.output.includes(scene.from ?? "");
    if (begun) {
      const words = stop.call === "sync" ? "after it" : path.basename(stop.to);
      await watcher.write(writes++, words, living());
    }
    stop.goOn();
  };
  const gate = await Gate.start(scene.directory, scene.argv(), (stop) => void onStop(stop));
  const told = new Set<number>();
  let over = false;
  const look = async (): Promise<void> => {
    while (!over) {
      const now = living();
      begun ||= gate.output.includes(scene.from ?? "");
      for (const { pid, victim } of now) {
        if (told.has(pid)) continue;
        told.add(pid);
        if (begun) await watcher.birth(victim, now);
      }
      await delay(lookEveryMs);
    }
  };
  const looking = look();
  try {
    await scene.settled(gate);
  } finally {
    over = true;
    await looking;
    // What lives on goes on without us: calls that nobody listens to any more would fail.
    gate.onStop = (stop) => stop.goOn();
  }
}

function wordsOf({ name, index }: Victim): string {
  return index === 0 ? name : `${name} (${index})`;
}

function pids(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function nameOf(pid: number, names: readonly RegExp[]): string | undefined {
  const [first = "", ...rest] = read(`/proc/${pid}/cmdline`).split("\0");
  const words = [path.basename(first), ...rest].join(" ");
  return names.map((name) => name.exec(words)?.[0]).find((found) => found !== undefined);
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1]);
}

function isAlive(pid: number): boolean {
  return /^State:\s[^ZX]/m.test(read(`/proc/${pid}/status`));
}

/** Empty for what is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
