/**
 * Rules of devices as an eBPF program for a cgroup, which the kernel asks at every open and mknod. The rules are tried from
 * the last to the first, each for those of the wanted accesses that none has decided yet: one that is refused refuses all.
 * Pure.
 */

import { anyAccess } from "../spec/device-rules.ts";
import type { DeviceRule } from "../spec/plan.ts";

/** BPF_DEVCG_DEV_*. */
const kinds = { block: 1, character: 2 } as const;

/** Registers: what is returned, the context, and what is read of it. */
const [result, context, wanted, kind, major, minor] = [0, 1, 2, 3, 4, 5] as const;

const operation = {
  loadWord: 0x61,
  move: 0xb7,
  copy: 0xbf,
  and: 0x57,
  shiftRight: 0x77,
  jump: 0x05,
  jumpIfNotEqual: 0x55,
  jumpIfAnyBit: 0x45,
  /** Of the lower 32 bits: the constants of the others are signed. */
  jumpIfWordsDiffer: 0x56,
  exit: 0x95,
} as const;

interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  /** Of a load, in bytes; of a jump, in instructions that are skipped. */
  readonly offset?: number;
  readonly value?: number;
}

/** `struct bpf_insn`, 8 bytes each. */
export function deviceProgram(rules: readonly DeviceRule[]): Uint8Array {
  const program: Instruction[] = [
    // struct bpf_cgroup_dev_ctx: access and kind in one word, then the numbers.
    { code: operation.loadWord, to: wanted, from: context, offset: 0 },
    { code: operation.copy, to: kind, from: wanted },
    { code: operation.and, to: kind, value: 0xffff },
    { code: operation.shiftRight, to: wanted, value: 16 },
    { code: operation.loadWord, to: major, from: context, offset: 4 },
    { code: operation.loadWord, to: minor, from: context, offset: 8 },
  ];
  for (const rule of [...rules].reverse()) {
    program.push(...ruleCode(rule));
    // The verifier refuses code that nothing leads to.
    if (isAboutAll(rule)) return encode(program);
  }
  return encode([...program, ...answer(false)]);
}

function isAboutAll(rule: DeviceRule): boolean {
  const { access } = rule;
  return rule.kind === "any" && rule.major === undefined && rule.minor === undefined && access === anyAccess;
}

function ruleCode(rule: DeviceRule): Instruction[] {
  const tests: (readonly [register: number, value: number])[] = [];
  if (rule.kind !== "any") tests.push([kind, kinds[rule.kind]]);
  if (rule.major !== undefined) tests.push([major, rule.major]);
  if (rule.minor !== undefined) tests.push([minor, rule.minor]);
  const decision = decide(rule);
  return [
    ...tests.map(([to, value], index) => ({
      code: operation.jumpIfWordsDiffer,
      to,
      value,
      offset: tests.length - 1 - index + decision.length,
    })),
    ...decision,
  ];
}

/** For a device that the rule is about; goes on behind it when it leaves something to be decided. */
function decide({ allow, access }: DeviceRule): Instruction[] {
  const end = answer(allow);
  if (access === anyAccess) return end;
  if (!allow) {
    return [
      { code: operation.jumpIfAnyBit, to: wanted, value: access, offset: 1 },
      { code: operation.jump, offset: end.length },
      ...end,
    ];
  }
  return [
    { code: operation.and, to: wanted, value: anyAccess & ~access },
    { code: operation.jumpIfNotEqual, to: wanted, value: 0, offset: end.length },
    ...end,
  ];
}

function answer(allow: boolean): Instruction[] {
  return [{ code: operation.move, to: result, value: allow ? 1 : 0 }, { code: operation.exit }];
}

function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(8 * program.length);
  const view = new DataView(bytes.buffer);
  program.forEach(({ code, to = 0, from = 0, offset = 0, value = 0 }, index) => {
    view.setUint8(8 * index, code);
    view.setUint8(8 * index + 1, to | (from << 4));
    view.setInt16(8 * index + 2, offset, true);
    view.setUint32(8 * index + 4, value >>> 0, true);
  });
  return bytes;
}
