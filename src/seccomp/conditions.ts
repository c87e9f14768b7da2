/** Conditions on arguments as instructions. The kernel gives arguments of 64 bits, BPF compares words of 32. */
import type { Assembler, Comparison, Target } from "./assembler.ts";
import type { Condition } from "./profile.ts";
import type { ConditionalRule } from "./verdicts.ts";

/** Of `args` in `struct seccomp_data`; the low word comes first. */
const argumentsOffset = 16;

/** How wide the arguments of an architecture are; of narrow ones only the low word counts, in the profile too. */
export type Width = "wide" | "narrow";

/** The rules in order, then `otherwise`. */
export function writeRules(
  assembler: Assembler,
  rules: readonly ConditionalRule[],
  width: Width,
  otherwise: Target,
): Target {
  return rules.reduceRight((next, rule) => writeRule(assembler, rule, width, next), otherwise);
}

function writeRule(assembler: Assembler, rule: ConditionalRule, width: Width, otherwise: Target): Target {
  return rule.conditions.reduceRight<Target>(
    (next, condition) => writeCondition(assembler, condition, width, next, otherwise),
    { action: rule.action },
  );
}

function writeCondition(assembler: Assembler, condition: Condition, width: Width, yes: Target, no: Target): Target {
  const { value, mask } = condition;
  const low = argumentsOffset + 8 * condition.argument;
  const high = low + 4;
  const lowWord = { offset: low, value: value.low };
  const equal = (isHolding: Target, isNot: Target): Target => {
    const lower = compareWord(assembler, "==", { ...lowWord, mask: mask?.low }, { yes: isHolding, no: isNot });
    if (width === "narrow") return lower;
    return compareWord(
      assembler,
      "==",
      { offset: high, value: value.high, mask: mask?.high },
      { yes: lower, no: isNot },
    );
  };
  const above = (comparison: Comparison, isHolding: Target, isNot: Target): Target => {
    const lower = compareWord(assembler, comparison, { ...lowWord, mask: undefined }, { yes: isHolding, no: isNot });
    if (width === "narrow") return lower;
    const same = assembler.jump("==", value.high, lower, isNot);
    return assembler.load(high, assembler.jump(">", value.high, isHolding, same));
  };
  switch (condition.operator) {
    case "==":
    case "masked ==":
      return equal(yes, no);
    case "!=":
      return equal(no, yes);
    case ">":
      return above(">", yes, no);
    case ">=":
      return above(">=", yes, no);
    case "<":
      return above(">=", no, yes);
    case "<=":
      return above(">", no, yes);
  }
}

/** Half of an argument: where it is in seccomp_data, what it is compared with, and which of its bits count (all without a mask). */
interface Word {
  readonly offset: number;
  readonly value: number;
  readonly mask: number | undefined;
}

function compareWord(
  assembler: Assembler,
  comparison: Comparison,
  { offset, value, mask }: Word,
  { yes, no }: { readonly yes: Target; readonly no: Target },
): Target {
  const test = assembler.jump(comparison, value, yes, no);
  if (test === yes) return test;
  const isWhole = mask === undefined || mask === 0xffff_ffff;
  return assembler.load(offset, isWhole ? test : assembler.mask(mask, test));
}
