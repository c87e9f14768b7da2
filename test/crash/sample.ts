/**
 * Chooses a sample of many cases when all of them would take too long: another one for each commit, so that all cases
 * are tested over time, and the same one for the same commit. `KUMITE_TEST_SEED` overrides the seed.
 */
import { execFileSync, type StdioOptions } from "node:child_process";
import { createHash } from "node:crypto";

/** Determines the sample; the caller prints it. */
export function sampleSeed(): string {
  const given = process.env.KUMITE_TEST_SEED;
  if (given !== undefined && given !== "") return given;
  try {
    const stdio: StdioOptions = ["ignore", "pipe", "ignore"];
    return execFileSync("git", ["rev-parse", "--short=12", "HEAD"], {
      cwd: import.meta.dirname,
      encoding: "utf8",
      stdio,
    }).trim();
  } catch {
    // A tree unpacked from an archive has no commits.
    return new Date().toISOString().slice(0, 10);
  }
}

/** `count` of the items in their original order, or all if there are no more. */
export function sample<T>(all: readonly T[], count: number, seed: string): T[] {
  const chosen = new Set(drawn(all, seed).slice(0, count));
  return all.filter((_, index) => chosen.has(index));
}

/** All items in the order in which they are chosen: those that `sample` returns are the first ones. */
export function shuffled<T>(all: readonly T[], seed: string): T[] {
  return drawn(all, seed).map((index) => all[index] as T);
}

function drawn(all: readonly unknown[], seed: string): number[] {
  return all
    .map((_, index) => ({ index, lot: createHash("sha256").update(`${seed} ${index}`).digest("hex") }))
    .sort((a, b) => (a.lot < b.lot ? -1 : 1))
    .map(({ index }) => index);
}
