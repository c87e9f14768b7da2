/** Random profiles, and system calls near their boundaries. */
import fc from "fast-check";
import { type Architecture, actions, architectures, operators } from "../actions.ts";
import type { Condition, SeccompProfile, Wide } from "../profile.ts";
import { systemCalls } from "../system-calls.ts";
import type { SystemCall } from "./bpf-machine.testing.ts";

/** AUDIT_ARCH_*. */
export const audit: Readonly<Record<Architecture, number>> = { x86_64: 0xc000003e, x32: 0xc000003e, x86: 0x40000003 };
const auditOfArm = 0xc00000b7;

/** Calls of every kind: old and new, of all architectures or one, multiplexed, and an unknown one. */
const names =
  "read write open close ioctl clone personality execve waitpid socket bind connect accept4 sendmmsg socketcall " +
  "semget msgctl shmat ipc rt_sigaction readv set_robust_list openat2 clone3 faccessat2 mmap2 arch_prctl no_such_call";

const multiplexers = ["socketcall", "ipc"];

const interesting = [0n, 1n, 2n, 7n, 0xffn, 0x7fffffffn, 0x80000000n, 0xfffffffen, 0xffffffffn, 0x100000000n];
const more = [
  0x100000001n,
  0x500000000n,
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffff00000000n,
  2n ** 64n - 1n,
];
const number64 = fc.oneof(fc.constantFrom(...interesting, ...more), fc.bigInt(0n, 2n ** 64n - 1n));

const wide = (value: bigint): Wide => ({ high: Number(value >> 32n), low: Number(value & 0xffffffffn) });

const condition: fc.Arbitrary<Condition> = fc
  .record({
    argument: fc.nat(5),
    operator: fc.constantFrom(...Object.values(operators)),
    value: number64,
    mask: number64,
  })
  .map(({ argument, operator, value, mask }) => ({
    argument,
    operator,
    value: wide(operator === "masked ==" ? value & mask : value),
    mask: operator === "masked ==" ? wide(mask) : undefined,
  }));

const conditions = fc.uniqueArray(condition, { maxLength: 3, selector: ({ argument }) => argument });

/**
 * One conjunction, or several values of one argument: for other alternatives, libseccomp 2.5 generates wrong programs.
 */
const alternatives: fc.Arbitrary<Condition[][]> = fc.oneof(
  conditions.map((list) => [list]),
  fc
    .tuple(fc.nat(5), fc.array(number64, { minLength: 2, maxLength: 4 }))
    .map(([argument, values]) =>
      values.map((value) => [{ argument, operator: "==" as const, value: wide(value), mask: undefined }]),
    ),
);

const anyAction = fc.constantFrom(
  ...[...new Set(Object.values(actions))].map((value) =>
    value === actions.SCMP_ACT_ERRNO || value === actions.SCMP_ACT_TRACE ? value + 1 : value,
  ),
);

const other = fc.subarray(["x86", "x32"] as const);

/**
 * Profiles for which libseccomp 2.5 generates right programs. They have one action per name, since otherwise its
 * sorting decides which rule applies; no conditions on multiplexing calls; and with x32 no calls that only x86 has.
 */
export const plainProfile: fc.Arbitrary<SeccompProfile> = fc
  .record({
    defaultAction: anyAction,
    others: other,
    byName: fc.array(fc.record({ name: fc.constantFrom(...names.split(" ")), action: anyAction, alternatives }), {
      maxLength: 12,
    }),
  })
  .map(({ defaultAction, others, byName }) => ({
    defaultAction,
    refusesUnknown: false,
    architectures: ["x86_64", ...others],
    flags: 0,
    rules: [...new Map(byName.map((item) => [item.name, item])).values()]
      .filter(({ name }) => !others.includes("x32") || systemCalls("x86_64").has(name))
      .flatMap(({ name, action, alternatives: given }) =>
        (multiplexers.includes(name) ? [[]] : given).map((list) => ({ names: [name], action, conditions: list })),
      ),
  }));

/** Any profile, including contradictory rules. */
export const anyProfile: fc.Arbitrary<SeccompProfile> = fc
  .record({
    defaultAction: anyAction,
    refusesUnknown: fc.boolean(),
    others: other,
    rules: fc.array(
      fc.record({
        names: fc.uniqueArray(fc.constantFrom(...names.split(" ")), { maxLength: 4 }),
        action: anyAction,
        conditions,
      }),
      { maxLength: 20 },
    ),
  })
  .map(({ others, ...rest }) => ({ ...rest, architectures: ["x86_64", ...others], flags: 0 }));

/** The calls in the profile and their neighbours, with the arguments in its conditions and others. */
export function calls(of: SeccompProfile): fc.Arbitrary<SystemCall> {
  const numbers = Object.values(architectures).flatMap((architecture) =>
    of.rules.flatMap(({ names: listed }) =>
      listed.map((name) => ({ number: systemCalls(architecture).get(name) ?? 3, architecture: audit[architecture] })),
    ),
  );
  const odd = fc.record({
    number: fc.oneof(fc.nat(500), fc.constantFrom(0x40000000, 0x40000001, 0x80000000, 0xfffffffe, 0xffffffff)),
    architecture: fc.constantFrom(audit.x86_64, audit.x86, auditOfArm),
  });
  const listed = numbers.length === 0 ? odd : fc.constantFrom(...numbers);
  const known = of.rules
    .flatMap((rule) => rule.conditions)
    .map(({ value }) => (BigInt(value.high) << 32n) | BigInt(value.low));
  const near = known.flatMap((value) => [value, value + 1n, value - 1n, value & 0xffffffffn, value | 0x700000000n]);
  const argument = fc.oneof(
    fc.constantFrom(...interesting, ...near.map((value) => BigInt.asUintN(64, value))),
    number64,
  );
  const selector = fc.oneof(fc.bigInt(0n, 26n), argument);
  return fc
    .tuple(
      fc.oneof({ arbitrary: listed, weight: 4 }, odd),
      selector,
      fc.array(argument, { minLength: 5, maxLength: 5 }),
    )
    .map(([call, first, others]) => ({ ...call, args: [first, ...others] }));
}
