import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { action, foreignArchitectures } from "./actions.ts";
import { readProfile } from "./read-profile.ts";

const profile = (changes: object) => readProfile({ defaultAction: "SCMP_ACT_ALLOW", ...changes });
const rule = (changes: object) => ({ names: ["read"], action: "SCMP_ACT_ERRNO", ...changes });
const condition = (changes: object) =>
  profile({ syscalls: [rule({ args: [{ index: 0, op: "SCMP_CMP_EQ", ...changes }] })] }).rules[0]?.conditions[0];

function refusal(document: unknown): string {
  try {
    readProfile(document);
  } catch (error) {
    if (isKumiteError(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing was refused";
}

describe("linux.seccomp", () => {
  it("has EPERM as errno of a rule and of the default, unless it defines another", () => {
    const errnoOf = (changes: object) => profile({ syscalls: [rule(changes)] }).rules[0]?.action;
    assert.equal(errnoOf({}), action.errno | 1);
    assert.equal(errnoOf({ errnoRet: null }), action.errno | 1);
    assert.equal(errnoOf({ errnoRet: 0 }), action.errno);
    assert.equal(errnoOf({ errnoRet: 4095 }), action.errno | 4095);
    assert.equal(errnoOf({ action: "SCMP_ACT_TRACE", errnoRet: 4096 }), action.trace | 4096);
    assert.equal(errnoOf({ action: "SCMP_ACT_LOG", errnoRet: 5 }), action.log);
    assert.equal(profile({ defaultAction: "SCMP_ACT_ERRNO" }).defaultAction, action.errno | 1);
    assert.equal(profile({ defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 38 }).defaultAction, action.errno | 38);
    assert.equal(profile({ defaultAction: "SCMP_ACT_KILL" }).defaultAction, action.killThread);
    assert.equal(profile({ defaultAction: "SCMP_ACT_KILL_PROCESS" }).defaultAction, action.killProcess);
  });

  it("compares 64-bit values", () => {
    assert.deepEqual(condition({ value: 0x1_0000_0002 })?.value, { high: 1, low: 2 });
    assert.deepEqual(condition({ value: 18446744073709551615n })?.value, { high: 0xffffffff, low: 0xffffffff });
    assert.deepEqual(condition({ value: 18446744073709551516n })?.value, { high: 0xffffffff, low: 0xffffff9c });
    assert.deepEqual(condition({ value: "18446744073709551516" })?.value, { high: 0xffffffff, low: 0xffffff9c });
    assert.throws(() => condition({ value: "18446744073709551616" }), { code: "oci/spec-invalid" });
    // JSON parses the largest value to this.
    assert.deepEqual(condition({ value: 2 ** 64 })?.value, { high: 0xffffffff, low: 0xffffffff });
    assert.deepEqual(condition({})?.value, { high: 0, low: 0 });
    const masked = condition({ op: "SCMP_CMP_MASKED_EQ", value: 0x7e020000, valueTwo: 3 });
    assert.deepEqual(
      [masked?.mask, masked?.value],
      [
        { high: 0, low: 0x7e020000 },
        { high: 0, low: 3 },
      ],
    );
  });

  it("treats several conditions on one argument as alternatives, and others as combined", () => {
    const args = (...indices: number[]) => indices.map((index) => ({ index, op: "SCMP_CMP_EQ", value: index }));
    const shapes = (list: object[]) =>
      profile({ syscalls: [rule({ args: list })] }).rules.map(({ conditions }) => conditions.length);
    assert.deepEqual(shapes(args(0, 1)), [2]);
    assert.deepEqual(shapes(args(0, 1, 0)), [1, 1, 1]);
    assert.deepEqual(shapes([]), [0]);
  });

  it("always includes the VM's own architecture, and none of other processors", () => {
    assert.deepEqual(profile({}).architectures, ["x86_64"]);
    const architectures = ["SCMP_ARCH_X86", "SCMP_ARCH_AARCH64", "SCMP_ARCH_X86"];
    assert.deepEqual(profile({ architectures }).architectures, ["x86_64", "x86"]);
    assert.deepEqual(profile({ architectures: foreignArchitectures }).architectures, ["x86_64"]);
  });

  it("does not change speculation unless it lists flags", () => {
    const flag = (name: string) => `SECCOMP_FILTER_FLAG_${name}`;
    assert.equal(profile({}).flags, 4);
    assert.equal(profile({ flags: [] }).flags, 0);
    assert.equal(profile({ flags: [flag("LOG"), flag("TSYNC")] }).flags, 2);
    assert.equal(profile({ flags: [flag("LOG"), flag("SPEC_ALLOW")] }).flags, 6);
  });

  it("is refused with the key that is wrong", () => {
    const cases: readonly (readonly [object, RegExp])[] = [
      [
        { defaultAction: "SCMP_ACT_DENY" },
        /^oci\/spec-invalid: linux\.seccomp\.defaultAction is not a known action: "SCMP_ACT_DENY" \(known: SCMP_ACT_KILL, /,
      ],
      [{ defaultAction: undefined }, /linux\.seccomp\.defaultAction is not a known action: nothing/],
      [
        { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 5000 },
        /linux\.seccomp\.defaultErrnoRet must be an integer from 0 to 4095/,
      ],
      [{ architectures: ["x86_64"] }, /linux\.seccomp\.architectures\[0\] is not a known architecture: "x86_64"/],
      [{ flags: ["SECCOMP_FILTER_FLAG_NEW_LISTENER"] }, /linux\.seccomp\.flags\[0\] is not a known flag/],
      [
        { syscalls: [rule({ action: "toString" })] },
        /linux\.seccomp\.syscalls\[0\]\.action is not a known action: "toString"/,
      ],
      [
        { syscalls: [rule({ errnoRet: -1 })] },
        /linux\.seccomp\.syscalls\[0\]\.errnoRet must be an integer from 0 to 4095/,
      ],
      [
        { syscalls: [rule({ names: [""] })] },
        /linux\.seccomp\.syscalls\[0\]\.names\[0\] must be the name of a system call/,
      ],
      [
        { syscalls: [rule({ args: [{ index: 6, op: "SCMP_CMP_EQ" }] })] },
        /syscalls\[0\]\.args\[0\]\.index must be an integer from 0 to 5/,
      ],
      [
        { syscalls: [rule({ args: [{ index: 0, op: "==" }] })] },
        /syscalls\[0\]\.args\[0\]\.op is not a known operator: "=="/,
      ],
      [
        { syscalls: [rule({ args: [{ index: 0, op: "SCMP_CMP_EQ", value: -1 }] })] },
        /args\[0\]\.value must be an integer/,
      ],
      [{ syscalls: {} }, /linux\.seccomp\.syscalls must be an array/],
      [{ syscalls: [null] }, /linux\.seccomp\.syscalls\[0\] must be an object/],
    ];
    for (const [changes, expected] of cases) {
      assert.match(refusal({ defaultAction: "SCMP_ACT_ALLOW", ...changes }), expected);
    }
  });

  it("is refused if it refers to a listener outside of the VM", () => {
    for (const changes of [
      { defaultAction: "SCMP_ACT_NOTIFY" },
      { syscalls: [rule({ action: "SCMP_ACT_NOTIFY" })] },
      { listenerPath: "/run/listener" },
      { listenerMetadata: "x" },
      { flags: ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] },
    ]) {
      assert.match(
        refusal({ defaultAction: "SCMP_ACT_ALLOW", ...changes }),
        /^oci\/unsupported: linux\.seccomp\..* is not supported: a listener on the host cannot reach into a VM$/,
      );
    }
  });
});
