/**
 * Finds what a test left on the machine: processes, mounts, cgroups, network namespaces and interfaces, unix sockets,
 * files and directories. Every suite that starts something calls `guardAgainstLeftOvers` once.
 * Looks only; it never removes anything, so that a leak is seen and not hidden.
 */
import { afterEach, beforeEach } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import * as looks from "./machine.ts";

export interface Watch {
  /** Trees in which nothing new may stay: state roots, directories of sockets. */
  readonly directories?: readonly string[];
  /** What another program keeps for itself and takes away when it likes: beginnings of lines as they are shown. */
  readonly ignored?: readonly string[];
  /** How long what is ending may take to be gone, in ms. Default 30 000. */
  readonly settleMs?: number;
}

/** One thing that was not there before. */
export interface LeftOver {
  readonly kind: keyof typeof looks.kinds;
  readonly what: string;
}

/** By kind, what there is: an identity that is never reused, and how it is shown. */
export type Machine = { readonly [Kind in LeftOver["kind"]]: ReadonlyMap<string, string> };

export function lookAtMachine(watch: Watch = {}): Machine {
  const entries = Object.entries(looks.kinds).map(([kind, look]) => [kind, look(watch.directories ?? [])] as const);
  return Object.fromEntries(entries) as unknown as Machine;
}

/** What `after` has and `before` had not. */
export function newSince(before: Machine, after: Machine): LeftOver[] {
  return (Object.keys(looks.kinds) as LeftOver["kind"][]).flatMap((kind) =>
    [...after[kind]].filter(([key]) => !before[kind].has(key)).map(([, what]) => ({ kind, what })),
  );
}

/** Rejects with the list when something that was not there before does not go away. */
export async function expectNothingNew(before: Machine, watch: Watch = {}): Promise<void> {
  const deadline = performance.now() + (watch.settleMs ?? 30_000);
  for (;;) {
    const ignored = watch.ignored ?? [];
    const left = newSince(before, lookAtMachine(watch)).filter(
      ({ what }) => !ignored.some((text) => what.startsWith(text)),
    );
    if (left.length === 0) return;
    if (performance.now() > deadline) {
      throw new Error(`left behind:\n${left.map(({ kind, what }) => `  ${kind}: ${what}`).join("\n")}`);
    }
    await delay(50);
  }
}

/**
 * Every test of the calling `describe` fails when it leaves something behind. What a `before` hook made for all
 * tests is there before each of them and does not count.
 */
export function guardAgainstLeftOvers(watch: () => Watch = () => ({})): void {
  let before: Machine;
  beforeEach(() => {
    before = lookAtMachine(watch());
  });
  afterEach(() => expectNothingNew(before, watch()));
}
