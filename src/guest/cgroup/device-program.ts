/**
 * Compiles device rules to an eBPF program for a cgroup, which the kernel runs for every open and mknod. The rules are
 * tried from last to first. Each rule decides those requested accesses that no rule before has decided; one refused
 * access refuses the whole request.
 * Pure. The program is written to be verified quickly, since that is most of its cost: neighbouring rules with the same
 * answer share it, and paths that join an instruction rarely differ in which registers are known.
 */
import { anyAccess } from "../spec/device-access.ts";
import type { DeviceRule } from "../spec/plan.ts";

/** BPF_DEVCG_DEV_*. */
const kinds = { block: 1, character: 2 } as const;
/** A device number has 12 bits for the major and 20 for the minor, as in the kernel's internal dev_t. */
const minorBits = 20;
const maxMajor = 0xfff;
const maxMinor = 0xf_ffff;

/** Registers: the return value, the context, and the values read from the context. */
const [result, context, wanted, kind, device, major, minor] = [0, 1, 2, 3, 4, 5, 6] as const;

const operation = {
  loadWord: 0x61,
  move: 0xb7,
  copy: 0xbf,
  and: 0x57,
  or: 0x4f,
  shiftLeft: 0x67,
  shiftRight: 0x77,
  jump: 0x05,
  jumpIfAnyBit: 0x45,
  /** Compares the lower 32 bits, because the constants of the 64-bit comparisons are sign-extended. */
  jumpIfEqual: 0x16,
  jumpIfDifferent: 0x56,
  exit: 0x95,
} as const;

/** A place in the program; `at` is set once the place is known. */
interface Label {
  at?: number;
}

interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  readonly value?: number;
  /** Offset of a load, in bytes. */
  readonly offset?: number;
  /** Target of a jump; jumps only go forward. */
  readonly target?: Label;
}

/**
 * The key by which the agent finds a program that it has loaded already. Comparing these is cheaper than comparing
 * programs.
 */
export function deviceRulesText(rules: readonly DeviceRule[]): string {
  return JSON.stringify(rules);
}

/** `struct bpf_insn`, 8 bytes each. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const [allowed, refused]: readonly [Label, Label] = [{}, {}];
  const program = [...prologue];
  const groups = groupsOf(rules);
  for (const group of groups) writeGroup(program, group, group.allow ? allowed : refused);
  const last = groups.at(-1);
  // The verifier refuses unreachable code, so an answer is written only if something leads to it.
  const isDecided = last !== undefined && last.kind === "any" && last.coversKind && last.access === anyAccess;
  const leadsTo = (label: Label): boolean => program.some(({ target }) => target === label);
  if (!isDecided || leadsTo(refused)) writeAnswer(program, refused, 0);
  if (leadsTo(allowed)) writeAnswer(program, allowed, 1);
  return encode(program);
}

/** Loads struct bpf_cgroup_dev_ctx: access and kind share one word, then major and minor follow. */
const prologue: readonly Instruction[] = [
  { code: operation.loadWord, to: wanted, from: context, offset: 0 },
  { code: operation.copy, to: kind, from: wanted },
  { code: operation.and, to: kind, value: 0xffff },
  { code: operation.shiftRight, to: wanted, value: 16 },
  { code: operation.loadWord, to: major, from: context, offset: 4 },
  { code: operation.loadWord, to: minor, from: context, offset: 8 },
  { code: operation.copy, to: device, from: major },
  { code: operation.shiftLeft, to: device, value: minorBits },
  { code: operation.or, to: device, from: minor },
];

/** Neighbouring rules that differ only in their device numbers. */
interface Group extends Pick<DeviceRule, "allow" | "kind" | "access"> {
  readonly numbers: { readonly register: number; readonly value: number }[];
  /** One of the rules covers every device of the kind. */
  coversKind: boolean;
}

/** Groups in the order in which they are tried. Rules behind one that decides everything are left out. */
function groupsOf(rules: readonly DeviceRule[]): Group[] {
  const groups: Group[] = [];
  for (const rule of [...rules].reverse()) {
    const last = groups.at(-1);
    if (last?.coversKind && last.kind === "any" && last.access === anyAccess) break;
    if ((rule.major ?? 0) > maxMajor || (rule.minor ?? 0) > maxMinor) continue;
    const { allow, kind: of, access } = rule;
    const fits = last !== undefined && last.allow === allow && last.kind === of && last.access === access;
    const group = fits ? last : { allow, kind: of, access, numbers: [], coversKind: false };
    if (!fits) groups.push(group);
    if (rule.major !== undefined && rule.minor !== undefined) {
      group.numbers.push({ register: device, value: rule.major * 2 ** minorBits + rule.minor });
    } else if (rule.major !== undefined) group.numbers.push({ register: major, value: rule.major });
    else if (rule.minor !== undefined) group.numbers.push({ register: minor, value: rule.minor });
    else group.coversKind = true;
  }
  return groups;
}

function writeGroup(program: Instruction[], group: Group, answer: Label): void {
  const { kind: of, access, numbers, coversKind } = group;
  const [matching, behind]: readonly [Label, Label] = [access === anyAccess ? answer : {}, {}];
  if (of !== "any") program.push({ code: operation.jumpIfDifferent, to: kind, value: kinds[of], target: behind });
  if (coversKind) {
    if (matching === answer) program.push({ code: operation.jump, target: answer });
  } else {
    for (const { register, value } of numbers) {
      program.push({ code: operation.jumpIfEqual, to: register, value, target: matching });
    }
    if (matching !== answer) program.push({ code: operation.jump, target: behind });
  }
  if (matching !== answer) {
    matching.at = program.length;
    if (group.allow) {
      program.push({ code: operation.and, to: wanted, value: anyAccess & ~access });
      program.push({ code: operation.jumpIfEqual, to: wanted, value: 0, target: answer });
    } else program.push({ code: operation.jumpIfAnyBit, to: wanted, value: access, target: answer });
  }
  behind.at = program.length;
}

function writeAnswer(program: Instruction[], label: Label, value: number): void {
  label.at = program.length;
  program.push({ code: operation.move, to: result, value }, { code: operation.exit });
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, to = 0, from = 0, offset = 0, value = 0, target }, index) => {
    view.setUint8(8 * index, code);
    view.setUint8(8 * index + 1, to | (from << 4));
    view.setInt16(8 * index + 2, target?.at === undefined ? offset : target.at - index - 1, true);
    view.setUint32(8 * index + 4, value >>> 0, true);
  });
  return bytes;
}
