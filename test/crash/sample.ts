/**
 * Which of many things a run takes when all would take too long: others with each commit, so that all are met in time,
 * and the same ones again with the same commit. `KUMITE_TEST_SEED` names another choice.
 */
import { execFileSync, type StdioOptions } from "node:child_process";
import { createHash } from "node:crypto";

/** What the choice comes from; it is to be printed. */
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
    // A tree that was unpacked from an archive has no commits.
    return new Date().toISOString().slice(0, 10);
  }
}

/** So many of them, all when there are no more, in their order. */
export function sample<T>(all: readonly T[], count: number, seed: string): T[] {
  const drawn = all.map((_, index) => ({ index, lot: createHash("sha256").update(`${seed} ${index}`).digest("hex") }));
  const chosen = new Set(
    drawn
      .sort((a, b) => (a.lot < b.lot ? -1 : 1))
      .slice(0, count)
      .map(({ index }) => index),
  );
  return all.filter((_, index) => chosen.has(index));
}
