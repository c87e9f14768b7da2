/**
 * What a profile says about each system call of one architecture. A rule without conditions is about every call and beats
 * those with conditions; of several that match otherwise, the first one counts.
 */
import type { Architecture } from "./actions.ts";
import { multiplexed } from "./multiplexed.ts";
import type { Condition, SeccompProfile, SeccompRule } from "./profile.ts";
import { type SystemCalls, systemCalls } from "./system-calls.ts";

/** SECCOMP_RET_*, or rules that are tried in order. */
export type Verdict = number | readonly ConditionalRule[];

export interface ConditionalRule {
  readonly action: number;
  /** At least one. */
  readonly conditions: readonly Condition[];
}

export interface Verdicts {
  /** By number; of calls that are not in it the default action is the verdict. */
  readonly byNumber: ReadonlyMap<number, Verdict>;
  /** The newest system call that the profile knows; `undefined` when it knows none. */
  readonly newest: number | undefined;
}

export function verdictsFor(profile: SeccompProfile, architecture: Architecture): Verdicts {
  const calls = systemCalls(architecture);
  const verdicts = new Collector(profile.defaultAction);
  for (const rule of profile.rules) {
    for (const name of rule.names) {
      const number = calls.get(name);
      if (number !== undefined) verdicts.add(number, rule.action, rule.conditions);
      if (architecture === "x86") addMultiplexed(verdicts, calls, rule, name);
    }
  }
  return verdicts;
}

function addMultiplexed(verdicts: Collector, calls: SystemCalls, rule: SeccompRule, name: string): void {
  const call = multiplexed(name);
  const number = call && calls.get(call.by);
  if (call === undefined || number === undefined) return;
  // The first argument is the selector now. The others are not where the conditions look: as libseccomp has it.
  const others = rule.conditions.filter(({ argument }) => argument !== 0);
  const value = { high: 0, low: call.selector };
  verdicts.add(number, rule.action, [{ argument: 0, operator: "==", value, mask: undefined }, ...others], false);
}

class Collector implements Verdicts {
  readonly byNumber = new Map<number, number | ConditionalRule[]>();
  newest: number | undefined;
  readonly #defaultAction: number;

  constructor(defaultAction: number) {
    this.#defaultAction = defaultAction;
  }

  /** @param named whether the profile names this call itself */
  add(number: number, action: number, conditions: readonly Condition[], named = true): void {
    if (named && (this.newest === undefined || number > this.newest)) this.newest = number;
    // As runc: such a rule says nothing, and must not hide what another says.
    if (action === this.#defaultAction) return;
    const present = this.byNumber.get(number);
    if (typeof present === "number") return;
    if (conditions.length === 0) this.byNumber.set(number, action);
    else if (present === undefined) this.byNumber.set(number, [{ action, conditions }]);
    else present.push({ action, conditions });
  }
}
