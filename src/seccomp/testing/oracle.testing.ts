/** Evaluates a profile for a call directly by its rules: slow and simple, as the reference for compiled programs. */
import type { Architecture } from "../actions.ts";
import { multiplexed } from "../multiplexed.ts";
import type { Condition, SeccompProfile, SeccompRule, Wide } from "../profile.ts";
import { systemCalls } from "../system-calls.ts";
import type { SystemCall } from "./bpf-machine.testing.ts";

const enosys = 0x50026;
const low = 0xffffffffn;

export function verdictOf(profile: SeccompProfile, call: SystemCall): number {
  const architecture = architectureOf(profile, call);
  if (architecture === "other") return 0;
  if (architecture === undefined) return profile.defaultAction;
  const rules = profile.rules
    .filter(({ action }) => action !== profile.defaultAction)
    .flatMap((rule) => rule.names.flatMap((name) => rulesAbout(rule, name, architecture)))
    .filter(({ number }) => number === call.number);
  const plain = rules.find(({ conditions }) => conditions.length === 0);
  if (plain !== undefined) return plain.action;
  const matching = rules.find(({ conditions }) =>
    conditions.every((condition) => holds(condition, call.args, architecture)),
  );
  if (matching !== undefined) return matching.action;
  const named = profile.rules.flatMap(({ names }) =>
    names.flatMap((name) => systemCalls(architecture).get(name) ?? []),
  );
  const isNew = named.length > 0 && call.number > Math.max(...named);
  return profile.refusesUnknown && isNew && rules.length === 0 ? enosys : profile.defaultAction;
}

function architectureOf({ architectures }: SeccompProfile, call: SystemCall): Architecture | "other" | undefined {
  if (call.architecture === 0x40000003) return architectures.includes("x86") ? "x86" : "other";
  if (call.architecture !== 0xc000003e) return "other";
  if (call.number < 0x40000000) return "x86_64";
  if (architectures.includes("x32")) return "x32";
  return call.number === 0xffffffff ? undefined : "other";
}

interface Numbered {
  readonly number: number;
  readonly action: number;
  readonly conditions: readonly Condition[];
}

function rulesAbout({ action, conditions }: SeccompRule, name: string, architecture: Architecture): Numbered[] {
  const table = systemCalls(architecture);
  const found: Numbered[] = [];
  const number = table.get(name);
  if (number !== undefined) found.push({ number, action, conditions });
  const way = architecture === "x86" ? multiplexed(name) : undefined;
  if (way !== undefined) {
    const selector: Condition = { argument: 0, operator: "==", value: { high: 0, low: way.selector }, mask: undefined };
    const others = conditions.filter(({ argument }) => argument !== 0);
    found.push({ number: table.get(way.by) ?? -1, action, conditions: [selector, ...others] });
  }
  return found;
}

function holds({ argument, operator, value, mask }: Condition, args: readonly bigint[], of: Architecture): boolean {
  const reduce = (number: bigint) => (of === "x86_64" ? number : number & low);
  const [left, right] = [reduce(args[argument] ?? 0n), reduce(whole(value))];
  switch (operator) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    case ">=":
      return left >= right;
    case "masked ==":
      return (left & (mask === undefined ? 0n : whole(mask))) === right;
  }
}

function whole(value: Wide): bigint {
  return (BigInt(value.high) << 32n) | BigInt(value.low);
}
