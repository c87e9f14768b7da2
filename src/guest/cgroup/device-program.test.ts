import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import type { LinuxDeviceCgroup } from "../../protocol/gen/kata/oci.ts";
import { readDeviceRules } from "../spec/device-rules.ts";
import { Fields } from "../spec/fields.ts";
import { resourcesDocument } from "../spec/from-messages.ts";
import type { DeviceRule } from "../spec/plan.ts";
import { deviceProgram } from "./device-program.ts";

interface Access {
  readonly kind: "character" | "block";
  readonly major: number;
  readonly minor: number;
  /** The bits of m, r and w. */
  readonly wanted: number;
}

/** Runs the instructions of such programs as the kernel does, and refuses what its verifier would refuse. */
function runProgram(program: Uint8Array, { kind, major, minor, wanted }: Access): boolean {
  const code = new DataView(program.buffer);
  const context = new Map([
    [0, (wanted << 16) | (kind === "block" ? 1 : 2)],
    [4, major],
    [8, minor],
  ]);
  const registers: (number | undefined)[] = [undefined, 0];
  const get = (index: number): number => registers[index] ?? assert.fail(`register ${index} was never written`);
  for (let at = 0; ; at++) {
    assert.ok(8 * at < program.length, "the program runs over its end");
    const [to, from] = [code.getUint8(8 * at + 1) & 15, code.getUint8(8 * at + 1) >> 4];
    const [offset, value] = [code.getInt16(8 * at + 2, true), code.getUint32(8 * at + 4, true)];
    assert.ok(offset >= 0, "a loop");
    switch (code.getUint8(8 * at)) {
      case 0x61:
        registers[to] = context.get(offset);
        break;
      case 0xb7:
        registers[to] = value;
        break;
      case 0xbf:
        registers[to] = get(from);
        break;
      case 0x57:
        registers[to] = get(to) & value;
        break;
      case 0x77:
        registers[to] = get(to) >>> value;
        break;
      case 0x67:
        registers[to] = get(to) * 2 ** value;
        break;
      case 0x4f:
        registers[to] = get(to) + get(from);
        break;
      case 0x16:
        if (get(to) === value) at += offset;
        break;
      case 0x05:
        at += offset;
        break;
      case 0x56:
        if (get(to) !== value) at += offset;
        break;
      case 0x45:
        if ((get(to) & value) !== 0) at += offset;
        break;
      case 0x95:
        return get(0) === 1;
      default:
        assert.fail(`unknown instruction at ${at}`);
    }
  }
}

/** Evaluates the rules directly. */
function isAllowed(rules: readonly DeviceRule[], { kind, major, minor, wanted }: Access): boolean {
  return [1, 2, 4].every((bit) => {
    if ((wanted & bit) === 0) return true;
    const last = rules.findLast(
      (rule) =>
        (rule.kind === "any" || rule.kind === kind) &&
        (rule.major === undefined || rule.major === major) &&
        (rule.minor === undefined || rule.minor === minor) &&
        (rule.access & bit) !== 0,
    );
    return last?.allow ?? false;
  });
}

const number = fc.constantFrom(0, 1, 2, 0xfff);
const rule: fc.Arbitrary<DeviceRule> = fc.record({
  allow: fc.boolean(),
  kind: fc.constantFrom("character", "block", "any"),
  major: fc.option(number, { nil: undefined }),
  minor: fc.option(number, { nil: undefined }),
  access: fc.integer({ min: 1, max: 7 }),
});
const access: fc.Arbitrary<Access> = fc.record({
  kind: fc.constantFrom("character", "block"),
  major: number,
  minor: number,
  wanted: fc.integer({ min: 1, max: 7 }),
});

const rulesOf = (...devices: object[]) => readDeviceRules(new Fields({ devices }, "linux.resources"));

describe("a device program", () => {
  it("does what its rules say; for each access the last one counts", () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 8 }), fc.array(access, { maxLength: 50 }), (rules, list) => {
        const program = deviceProgram(rules);
        for (const one of list) assert.equal(runProgram(program, one), isAllowed(rules, one), JSON.stringify(one));
      }),
      { numRuns: 1000 },
    );
  });

  it("allows what every container needs and nothing else, whether everything is refused or there are no rules", () => {
    for (const rules of [readDeviceRules(undefined), rulesOf(), rulesOf({ allow: false, access: "rwm" })]) {
      const program = deviceProgram(rules);
      const may = (kind: Access["kind"], major: number, minor: number, wanted = 7) =>
        runProgram(program, { kind, major, minor, wanted });
      for (const minor of [3, 5, 7, 8, 9]) assert.ok(may("character", 1, minor));
      assert.ok(may("character", 5, 0) && may("character", 5, 2) && may("character", 136, 77));
      assert.ok(may("character", 229, 0, 1) && may("block", 254, 0, 1));
      // Memory, the kernel's log, the VM's console, a port, a disk.
      for (const [major, minor] of [
        [1, 1],
        [1, 11],
        [5, 1],
        [229, 0],
        [4, 64],
      ] as const) {
        assert.ok(!may("character", major, minor, 2) && !may("character", major, minor, 4), `${major}:${minor}`);
      }
      assert.ok(!may("block", 254, 0, 2) && !may("block", 1, 3, 2));
    }
  });

  it("is short where no rule can apply any more, and for many rules of one kind", () => {
    const all = { allow: true, kind: "any", major: undefined, minor: undefined, access: 7 } as const;
    assert.equal(deviceProgram([...rulesOf(), all]).length / 8, 12);
    const many = Array.from({ length: 40 }, (_, major) => ({ allow: true, type: "c", major, minor: 1, access: "rw" }));
    assert.equal((deviceProgram(rulesOf(...many)).length - deviceProgram(rulesOf()).length) / 8, 44);
  });

  it("ignores numbers that no device can have", () => {
    const refused = rulesOf({ allow: false, access: "rwm" });
    for (const [major, minor] of [
      [0x1001, 0],
      [0, 0x100000],
    ]) {
      const rules = rulesOf({ allow: false, access: "rwm" }, { allow: true, type: "b", major, minor, access: "rw" });
      assert.deepEqual(deviceProgram(rules), deviceProgram(refused));
    }
  });

  it("is made from messages, where 0 stands for all numbers unless that would allow more", () => {
    const message = (changes: Partial<LinuxDeviceCgroup>): LinuxDeviceCgroup => ({
      Allow: true,
      Type: "b",
      Major: 0n,
      Minor: 0n,
      Access: "rw",
      ...changes,
    });
    const read = (changes: Partial<LinuxDeviceCgroup>): unknown => {
      const Devices = [message(changes)];
      const resources = { Devices, HugepageLimits: [] };
      const document = resourcesDocument(resources as unknown as Parameters<typeof resourcesDocument>[0]);
      return readDeviceRules(new Fields(document, "linux.resources"))[0];
    };
    assert.deepEqual(read({}), { allow: true, kind: "block", major: undefined, minor: undefined, access: 6 });
    assert.deepEqual(read({ Major: 8n }), { allow: true, kind: "block", major: 8, minor: 0, access: 6 });
    assert.deepEqual(read({ Major: 8n, Minor: -1n }), {
      allow: true,
      kind: "block",
      major: 8,
      minor: undefined,
      access: 6,
    });
    assert.deepEqual(read({ Major: 8n, Allow: false, Type: "" }), {
      allow: false,
      kind: "any",
      major: 8,
      minor: undefined,
      access: 6,
    });
  });
});
