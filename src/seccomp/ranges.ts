/**
 * Converts the verdicts on system calls to ranges of numbers, for the search. Calls without a rule, and gaps between
 * numbers, get the default action; neighbouring numbers with the same verdict become one range. Knows nothing of
 * instructions.
 */
import { action, errno } from "./actions.ts";
import type { Width } from "./conditions.ts";
import type { SeccompProfile } from "./profile.ts";
import { x32Bit } from "./system-calls.ts";
import { type ConditionalRule, type Verdicts, verdictsFor } from "./verdicts.ts";

/** A range from its first number up to the next range. */
export interface Range {
  readonly first: number;
  /** SECCOMP_RET_* value, or rules with the default action after them. */
  readonly verdict: number | { readonly rules: readonly ConditionalRule[]; readonly width: Width };
}

const lastNumber = 0xffff_ffff;

export function rangesOfX86(profile: SeccompProfile): readonly Range[] {
  const ranges = new Ranges();
  ranges.addCalls(0, verdictsFor(profile, "x86"), profile, "narrow");
  return ranges.all;
}

/** Includes x32, which has the same audit architecture. */
export function rangesOfX86_64(profile: SeccompProfile): readonly Range[] {
  const ranges = new Ranges();
  ranges.addCalls(0, verdictsFor(profile, "x86_64"), profile, "wide");
  if (profile.architectures.includes("x32")) {
    ranges.addCalls(x32Bit, verdictsFor(profile, "x32"), profile, "narrow");
  } else {
    ranges.add(x32Bit, action.killThread);
    // The number that a tracer sets to skip a call belongs to no architecture.
    ranges.add(lastNumber, profile.defaultAction);
  }
  return ranges.all;
}

class Ranges {
  readonly all: Range[] = [];

  /** @param base the architecture's smallest number */
  addCalls(base: number, { byNumber, newest }: Verdicts, profile: SeccompProfile, width: Width): void {
    let next = base;
    for (const number of [...byNumber.keys()].sort((a, b) => a - b)) {
      const verdict = byNumber.get(number) ?? profile.defaultAction;
      if (number > next) this.add(next, profile.defaultAction);
      this.add(number, typeof verdict === "number" ? verdict : { rules: verdict, width });
      next = number + 1;
    }
    if (newest === undefined || newest >= next) this.add(next, profile.defaultAction);
    // A C library that tries a call newer than the profile must learn that it does not exist, so that it falls back to
    // an older one.
    if (newest !== undefined) this.add(Math.max(next, newest + 1), newerThan(profile));
  }

  add(first: number, verdict: Range["verdict"]): void {
    if (typeof verdict === "number" && this.all.at(-1)?.verdict === verdict) return;
    this.all.push({ first, verdict });
  }
}

function newerThan({ refusesUnknown, defaultAction }: SeccompProfile): number {
  return refusesUnknown ? action.errno | errno.noSuchCall : defaultAction;
}
