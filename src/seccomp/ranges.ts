/**
 * The numbers of system calls as ranges with one verdict each, for a search. What no rule is about has the default action,
 * and so has every gap between calls; neighbours with one verdict become one range. Knows nothing of instructions.
 */
import { action, errno } from "./actions.ts";
import type { Width } from "./conditions.ts";
import type { SeccompProfile } from "./profile.ts";
import { x32Bit } from "./system-calls.ts";
import { type ConditionalRule, type Verdicts, verdictsFor } from "./verdicts.ts";

/** From its first number up to the next range. */
export interface Range {
  readonly first: number;
  /** SECCOMP_RET_*, or rules with the default action behind them. */
  readonly verdict: number | { readonly rules: readonly ConditionalRule[]; readonly width: Width };
}

const lastNumber = 0xffff_ffff;

export function rangesOfX86(profile: SeccompProfile): readonly Range[] {
  const ranges = new Ranges();
  ranges.addCalls(0, verdictsFor(profile, "x86"), profile, "narrow");
  return ranges.all;
}

/** With x32, which shares the audit architecture. */
export function rangesOfX86_64(profile: SeccompProfile): readonly Range[] {
  const ranges = new Ranges();
  ranges.addCalls(0, verdictsFor(profile, "x86_64"), profile, "wide");
  if (profile.architectures.includes("x32")) {
    ranges.addCalls(x32Bit, verdictsFor(profile, "x32"), profile, "narrow");
  } else {
    ranges.add(x32Bit, action.killThread);
    // What a tracer writes to skip a call is of no architecture.
    ranges.add(lastNumber, profile.defaultAction);
  }
  return ranges.all;
}

class Ranges {
  readonly all: Range[] = [];

  /** @param base the smallest number of the architecture */
  addCalls(base: number, { byNumber, newest }: Verdicts, profile: SeccompProfile, width: Width): void {
    let next = base;
    for (const number of [...byNumber.keys()].sort((a, b) => a - b)) {
      const verdict = byNumber.get(number) ?? profile.defaultAction;
      if (number > next) this.add(next, profile.defaultAction);
      this.add(number, typeof verdict === "number" ? verdict : { rules: verdict, width });
      next = number + 1;
    }
    if (newest === undefined || newest >= next) this.add(next, profile.defaultAction);
    // A C library that tries a call newer than the profile needs to hear that it is not there, to try an older one.
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
