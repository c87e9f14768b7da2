/**
 * Compiles conditions on arguments to instructions. The kernel passes arguments of 64 bits, while BPF compares words of
 * 32 bits.
 */
import type { Assembler, Comparison, Target } from "./assembler.ts";
import type { Condition } from "./profile.ts";
import type { ConditionalRule } from "./verdicts.ts";

/** Offset of `args` in `struct seccomp_data`; the low word of an argument comes first. */
const argumentsOffset = 16;

/** The width of an architecture's arguments. For narrow ones, only the low word counts, in the profile as well. */
export type Width = "wide" | "narrow";

/** Writes the rules in order, followed by `otherwise`. */
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

/**
 * Half of an argument: its offset in seccomp_data, the value it is compared with, and the bits that count (all without
 * a mask).
 */
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
