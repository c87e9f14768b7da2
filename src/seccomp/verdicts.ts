/**
 * Computes a profile's verdict on each system call of one architecture. A rule without conditions applies to every call
 * and takes precedence over rules with conditions. Among the latter, the first one that matches decides.
 */
import type { Architecture } from "./actions.ts";
import { multiplexed } from "./multiplexed.ts";
import type { Condition, SeccompProfile, SeccompRule } from "./profile.ts";
import { type SystemCalls, systemCalls } from "./system-calls.ts";

/** SECCOMP_RET_* value, or rules that are tried in order. */
export type Verdict = number | readonly ConditionalRule[];

export interface ConditionalRule {
  readonly action: number;
  /** At least one. */
  readonly conditions: readonly Condition[];
}

export interface Verdicts {
  /** By number; calls that are missing get the default action. */
  readonly byNumber: ReadonlyMap<number, Verdict>;
  /** The newest system call in the profile; `undefined` if there is none. */
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
  // The first argument is the selector here. The other arguments are not where the conditions look for them; libseccomp
  // does the same.
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
    // As in runc: such a rule has no effect, and must not hide another one.
    if (action === this.#defaultAction) return;
    const present = this.byNumber.get(number);
    if (typeof present === "number") return;
    if (conditions.length === 0) this.byNumber.set(number, action);
    else if (present === undefined) this.byNumber.set(number, [{ action, conditions }]);
    else present.push({ action, conditions });
  }
}
