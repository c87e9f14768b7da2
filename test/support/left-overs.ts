/**
 * Finds what a test left on the host: processes, mounts, cgroups, network namespaces and interfaces, unix sockets,
 * files and directories. Every suite that starts something calls `guardAgainstLeftOvers` once. It never removes
 * anything, so that a leak is reported and not hidden.
 */
import { afterEach, beforeEach } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import * as looks from "./machine.ts";

export interface Watch {
  /** Directories below which nothing new may stay: state roots, directories of sockets. */
  readonly directories?: readonly string[];
  /** Beginnings of report lines for what another program keeps for itself and may remove at any time. */
  readonly ignored?: readonly string[];
  /** How long it may take until what is ending is gone, in ms. Default 30 000. */
  readonly settleMs?: number;
}

/** One thing that did not exist before. */
export interface LeftOver {
  readonly kind: keyof typeof looks.kinds;
  readonly what: string;
}

/** What exists, by kind: an identity that is never reused, and its description. */
export type Machine = { readonly [Kind in LeftOver["kind"]]: ReadonlyMap<string, string> };

export function lookAtMachine(watch: Watch = {}): Machine {
  const entries = Object.entries(looks.kinds).map(([kind, look]) => [kind, look(watch.directories ?? [])] as const);
  return Object.fromEntries(entries) as unknown as Machine;
}

/** What is in `after` but not in `before`. */
export function newSince(before: Machine, after: Machine): LeftOver[] {
  return (Object.keys(looks.kinds) as LeftOver["kind"][]).flatMap((kind) =>
    [...after[kind]].filter(([key]) => !before[kind].has(key)).map(([, what]) => ({ kind, what })),
  );
}

/** Rejects with a list if something new stays. */
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
 * Makes every test of the calling `describe` fail if it leaves something. What a `before` hook created for all tests
 * exists before each of them, so it does not count.
 */
export function guardAgainstLeftOvers(watch: () => Watch = () => ({})): void {
  let before: Machine;
  beforeEach(() => {
    before = lookAtMachine(watch());
  });
  afterEach(() => expectNothingNew(before, watch()));
}
