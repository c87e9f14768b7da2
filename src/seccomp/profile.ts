/**
 * `linux.seccomp` after reading: names of system calls are still names, everything else is in the kernel's terms. Types
 * only.
 */
import type { Architecture, Operator } from "./actions.ts";

export interface SeccompProfile {
  /** SECCOMP_RET_* value, including its data, for system calls without a rule. */
  readonly defaultAction: number;
  /** Whether system calls that are newer than all calls in the profile get ENOSYS instead of the default action. */
  readonly refusesUnknown: boolean;
  /** Always includes the VM's own architecture. */
  readonly architectures: readonly Architecture[];
  /** SECCOMP_FILTER_FLAG_* bits. */
  readonly flags: number;
  readonly rules: readonly SeccompRule[];
}

export interface SeccompRule {
  readonly names: readonly string[];
  /** SECCOMP_RET_* value, including its data. */
  readonly action: number;
  /** All conditions must hold; without any, the rule applies to every call. There is at most one for each argument. */
  readonly conditions: readonly Condition[];
}

export interface Condition {
  /** 0 to 5. */
  readonly argument: number;
  readonly operator: Operator;
  readonly value: Wide;
  /** For `masked ==` only: the argument is masked with this before the comparison. */
  readonly mask: Wide | undefined;
}

/** 64 bits as two halves, because BigInt is slow on the small engine. */
export interface Wide {
  readonly high: number;
  readonly low: number;
}
