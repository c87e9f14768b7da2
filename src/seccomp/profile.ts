/** `linux.seccomp` after reading: names are still names, everything else is what the kernel takes. Types only. */
import type { Architecture, Operator } from "./actions.ts";

export interface SeccompProfile {
  /** SECCOMP_RET_* of system calls that no rule is about, with its data. */
  readonly defaultAction: number;
  /** Whether system calls newer than every one the profile knows get ENOSYS instead of the default action. */
  readonly refusesUnknown: boolean;
  /** At least the machine's own. */
  readonly architectures: readonly Architecture[];
  /** SECCOMP_FILTER_FLAG_*. */
  readonly flags: number;
  readonly rules: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  /** SECCOMP_RET_*, with its data. */
  readonly action: number;
  /** All must hold; none: the rule is about every call. At most one for each argument. */
  readonly conditions: readonly Condition[];
}

export interface Condition {
  /** 0 to 5. */
  readonly argument: number;
  readonly operator: Operator;
  readonly value: Wide;
  /** What the argument is reduced to before it is compared; only of `masked ==`. */
  readonly mask: Wide | undefined;
}

/** 64 bits as two halves: BigInt is slow in the small engine. */
export interface Wide {
  readonly high: number;
  readonly low: number;
}
