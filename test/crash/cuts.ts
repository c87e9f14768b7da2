/**
 * The crash walk for programs other than a container's verbs. A first run records when the program writes something
 * durable, when its processes appear, and which processes are alive then. Each further run kills one of these processes
 * at one of these moments. Moments are found, not listed. The caller checks what has to be true afterwards.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "../support/eventually.ts";
import { Gate, type Stop } from "./gate.ts";

/** A process that may be killed: its name, and its index among those of this name, from 0. */
export interface Victim {
  readonly name: string;
  readonly index: number;
}

/** The n-th durable write, at which the writing process is stopped, or the appearance of this process. */
export type Moment =
  | { readonly kind: "write"; readonly index: number; readonly words: string }
  | { readonly kind: "birth" };

export interface Cut {
  readonly at: Moment;
  readonly victim: Victim;
}

export interface Scene {
  /** Writes below this directory are moments. */
  readonly directory: string;
  /** Prepares each run. Processes that are alive afterwards are not killed. */
  readonly prepare?: () => Promise<void>;
  /** Called for each run. */
  readonly argv: () => readonly string[];
  /** Names in the process table of the programs that may be killed. */
  readonly names: readonly RegExp[];
  /** Moments count from when the program prints this; default: from the beginning. */
  readonly from?: string;
  /** Resolves when everything that the program caused is done, whatever happened to the program. */
  readonly settled: (gate: Gate) => Promise<void>;
}

/** Every process that can be killed, at every moment. Kills nothing. */
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
 * When this resolves, the victim is dead, and so is everything that ended because of it.
 * @returns whether the moment was reached: processes that work in parallel may do so in another order
 */
export async function runWithCut(scene: Scene, { at, victim }: Cut): Promise<boolean> {
  let killed = false;
  const kill = async (living: readonly Living[]): Promise<void> => {
    // In another order than in the first run, the same process may not be alive yet or any more.
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
      // A child has its parent's name until it runs its own program, even if the parent itself was not seen.
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
    // The surviving processes go on without the gate: calls that nobody answers would fail.
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

/** Empty if the file is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
