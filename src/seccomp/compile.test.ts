import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { architectures } from "./actions.ts";
import { compileProfile, compileSeccomp } from "./compile.ts";
import { multiplexed } from "./multiplexed.ts";
import type { SeccompProfile } from "./profile.ts";
import { readProfile } from "./read-profile.ts";
import { systemCalls } from "./system-calls.ts";
import { runFilter, type SystemCall } from "./testing/bpf-machine.testing.ts";
import { libseccompNumbers, libseccompPrograms } from "./testing/libseccomp.testing.ts";
import { verdictOf } from "./testing/oracle.testing.ts";
import { podmanProfile } from "./testing/podman-profile.testing.ts";
import { anyProfile, audit, calls, plainProfile } from "./testing/profiles.testing.ts";

const show = (value: unknown): string =>
  JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? `0x${item.toString(16)}` : item));

function same(said: number, expected: number, call: SystemCall, profile: SeccompProfile): void {
  if (said === expected) return;
  assert.fail(`0x${said.toString(16)}, not 0x${expected.toString(16)}, for ${show(call)} under ${show(profile)}`);
}

const call = (architecture: keyof typeof audit, name: string, ...args: bigint[]): SystemCall => ({
  number: systemCalls(architecture).get(name) ?? assert.fail(`${architecture} has no ${name}`),
  architecture: audit[architecture],
  args,
});

const allow = 0x7fff0000;
const errno = (value: number) => 0x50000 | value;

describe("a compiled seccomp profile", () => {
  it("decides every call like libseccomp's program", () => {
    // libseccomp's faults are rare and known, so the same profiles are used every time.

    const profiles = fc.sample(plainProfile, { numRuns: 400, seed: 1 });
    const theirs = libseccompPrograms(profiles);
    assert.equal(theirs.length, profiles.length);
    profiles.forEach((profile, index) => {
      const [ours, other] = [compileProfile(profile), theirs[index] ?? new Uint8Array()];
      for (const one of fc.sample(calls(profile), { numRuns: 150, seed: index })) {
        same(runFilter(ours, one), runFilter(other, one), one, profile);
      }
    });
  });

  it("decides every call as its rules say, whatever they are", () => {
    const both = anyProfile.chain((profile) =>
      fc.tuple(fc.constant(profile), fc.array(calls(profile), { size: "+1" })),
    );
    fc.assert(
      fc.property(both, ([profile, list]) => {
        const program = compileProfile(profile);
        for (const one of list) same(runFilter(program, one), verdictOf(profile, one), one, profile);
      }),
      { numRuns: 300 },
    );
  });

  it("for podman's profile equals libseccomp's, for every number of every architecture", () => {
    const profile = readProfile(podmanProfile());
    const [theirs = new Uint8Array()] = libseccompPrograms([profile]);
    const ours = compileProfile(profile);
    assert.ok(ours.length / 8 < 400, `${ours.length / 8} instructions`);
    const argument = [9n, 16n, 0x20008n];
    for (const architecture of [audit.x86_64, audit.x86]) {
      for (const base of [0, 0x40000000, 0xfffffe00]) {
        for (let number = base; number < base + 512 + 48 && number < 2 ** 32; number++) {
          for (const [index, first] of argument.entries()) {
            // The third argument of a multiplexed call is not the third argument of the selected call.
            const third = architecture === audit.x86 && number === 102 ? 0n : argument[(index * 3) % argument.length];
            const one = { number, architecture, args: [first, 0n, third ?? 0n] };
            same(runFilter(ours, one), runFilter(theirs, one), one, profile);
          }
        }
      }
    }
  });

  it("knows the system calls that libseccomp knows, with the same numbers", () => {
    for (const architecture of Object.values(architectures)) {
      const table = [...systemCalls(architecture)];
      const numbers = libseccompNumbers(
        architecture,
        table.map(([name]) => name),
      );
      table.forEach(([name, number], index) => {
        const theirs = numbers[index] ?? -1;
        // For multiplexed calls libseccomp has numbers of its own; the test above covers these calls.
        if (architecture === "x86" && multiplexed(name) !== undefined) return;
        assert.equal(theirs, number, `${architecture} ${name}`);
      });
    }
  });

  it("returns ENOSYS for calls newer than it knows, unless it allows them or defines their result", () => {
    const program = (changes: object, architecturesOf: readonly string[] = []) =>
      compileProfile(
        readProfile({
          defaultAction: "SCMP_ACT_ERRNO",
          architectures: architecturesOf,
          syscalls: [{ names: ["read", "openat2", "not_yet_known"], action: "SCMP_ACT_ALLOW" }],
          ...changes,
        }),
      );
    const at = (bytes: Uint8Array, number: number, architecture = audit.x86_64) =>
      runFilter(bytes, { number, architecture, args: [] });
    assert.deepEqual(
      [0, 436, 437, 438, 5000].map((number) => at(program({}), number)),
      [allow, errno(1), allow, errno(38), errno(38)],
    );
    const kill = program({ defaultAction: "SCMP_ACT_KILL_PROCESS" });
    assert.deepEqual([at(kill, 1), at(kill, 438)], [0x80000000, errno(38)]);
    assert.equal(at(program({ defaultErrnoRet: 38 }), 1), errno(38));
    assert.equal(at(program({ defaultErrnoRet: 13 }), 438), errno(38));
    for (const action of ["SCMP_ACT_LOG", "SCMP_ACT_TRACE"]) {
      const permissive = program({ defaultAction: action });
      assert.equal(at(permissive, 438), at(permissive, 1), action);
    }
    const all = program({}, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
    assert.deepEqual(
      [437, 438, 0x40000000 + 437, 0x40000000 + 438].map((number) => at(all, number)),
      [allow, errno(38), allow, errno(38)],
    );
    assert.deepEqual([at(all, 437, audit.x86), at(all, 438, audit.x86)], [allow, errno(38)]);
  });

  it("kills callers that use an architecture it does not name", () => {
    const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW" });
    assert.equal(runFilter(program, call("x86_64", "read")), allow);
    assert.equal(runFilter(program, call("x86", "read")), 0);
    assert.equal(runFilter(program, call("x32", "read")), 0);
    assert.equal(runFilter(program, { ...call("x86_64", "read"), architecture: 0xc00000b7 }), 0);
    // The number that a tracer sets to skip a call.
    assert.equal(runFilter(program, { ...call("x86_64", "read"), number: 0xffffffff }), allow);
  });

  it("applies to a call of 32-bit x86 in whichever way it is made", () => {
    const document = (names: string[], args?: object[]) => ({
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86"],
      syscalls: [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 13, ...(args === undefined ? {} : { args }) }],
    });
    const { program } = compileSeccomp(document(["recv", "semop", "socket"]));
    assert.equal(runFilter(program, call("x86", "socket", 2n)), errno(13));
    assert.equal(runFilter(program, call("x86", "socketcall", 1n)), errno(13));
    assert.equal(runFilter(program, call("x86", "socketcall", 10n)), errno(13));
    assert.equal(runFilter(program, call("x86", "socketcall", 2n)), allow);
    assert.equal(runFilter(program, call("x86", "ipc", 1n)), errno(13));
    assert.equal(runFilter(program, call("x86", "ipc", 2n)), allow);
    const byFamily = compileSeccomp(document(["socket"], [{ index: 0, op: "SCMP_CMP_EQ", value: 16 }])).program;
    assert.equal(runFilter(byFamily, call("x86", "socket", 2n)), allow);
    assert.equal(runFilter(byFamily, call("x86", "socketcall", 1n)), errno(13));
  });

  it("finds each of many results, even those farther away than a jump reaches", () => {
    const names = [...systemCalls("x86_64").keys()].slice(0, 200);
    const values = [0, 1, 2].map((value) => 0x1_0000_0000 * value + value);
    const syscalls = names.flatMap((name, index) =>
      values.map((value) => ({
        names: [name],
        action: "SCMP_ACT_ERRNO",
        errnoRet: index + 1000 * (value % 2 ** 32),
        args: [{ index: 0, op: "SCMP_CMP_EQ", value }],
      })),
    );
    const { program } = compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls });
    assert.ok(program.length / 8 > 2000);
    for (const [index, name] of names.entries()) {
      for (const value of values) {
        const said = runFilter(program, call("x86_64", name, BigInt(value)));
        assert.equal(said, errno(index + 1000 * (value % 2 ** 32)), `${name} ${value}`);
      }
      assert.equal(runFilter(program, call("x86_64", name, 3n)), allow);
    }
  });

  it("that allows no program to be started is refused", () => {
    const kills = [{ names: ["read"], action: "SCMP_ACT_ALLOW" }];
    for (const syscalls of [[], kills, [...kills, { names: ["execve"], action: "SCMP_ACT_KILL" }]]) {
      assert.throws(() => compileSeccomp({ defaultAction: "SCMP_ACT_ERRNO", syscalls }), {
        code: "oci/spec-invalid",
        message: /^linux\.seccomp does not allow execve/,
      });
    }
  });

  it("that the kernel would not accept is refused", () => {
    const values = Array.from({ length: 900 }, (_, value) => ({
      names: ["read"],
      action: "SCMP_ACT_ERRNO",
      errnoRet: value,
      args: [{ index: 0, op: "SCMP_CMP_EQ", value }],
    }));
    assert.throws(() => compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", syscalls: values }), {
      code: "oci/unsupported",
      message: /^linux\.seccomp is too large: it takes \d+ instructions, the kernel accepts 4096$/,
    });
  });
});
