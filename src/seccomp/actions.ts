/** The specification's seccomp terms, and their values in the kernel (linux/seccomp.h). */

export const action = {
  killProcess: 0x8000_0000,
  killThread: 0x0000_0000,
  trap: 0x0003_0000,
  /** The errno is in the lower 16 bits. */
  errno: 0x0005_0000,
  /** A value for the tracer is in the lower 16 bits. */
  trace: 0x7ff0_0000,
  log: 0x7ffc_0000,
  allow: 0x7fff_0000,
} as const;

/** The same on every architecture whose programs the VM can run. */
export const errno = { notPermitted: 1, noSuchCall: 38 } as const;

/** SCMP_ACT_NOTIFY is missing, because no process outside the VM can answer a notification. */
export const actions = {
  SCMP_ACT_KILL: action.killThread,
  SCMP_ACT_KILL_THREAD: action.killThread,
  SCMP_ACT_KILL_PROCESS: action.killProcess,
  SCMP_ACT_TRAP: action.trap,
  SCMP_ACT_ERRNO: action.errno,
  SCMP_ACT_TRACE: action.trace,
  SCMP_ACT_LOG: action.log,
  SCMP_ACT_ALLOW: action.allow,
} as const satisfies Record<string, number>;

/** Comparisons of an argument with a value, as unsigned integers. */
export const operators = {
  SCMP_CMP_NE: "!=",
  SCMP_CMP_LT: "<",
  SCMP_CMP_LE: "<=",
  SCMP_CMP_EQ: "==",
  SCMP_CMP_GE: ">=",
  SCMP_CMP_GT: ">",
  SCMP_CMP_MASKED_EQ: "masked ==",
} as const satisfies Record<string, string>;

export type Operator = (typeof operators)[keyof typeof operators];

/**
 * SECCOMP_FILTER_FLAG_* values. A process has a single thread when it gets its filter, so TSYNC has no effect.
 * WAIT_KILLABLE_RECV is about notifications, which are refused.
 */
export const filterFlags = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 2,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4,
} as const satisfies Record<string, number>;

/** Architectures whose programs the VM can run. */
export const architectures = {
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X32: "x32",
} as const satisfies Record<string, string>;

export type Architecture = (typeof architectures)[keyof typeof architectures];

/** Architectures of other processors: valid names without an effect here. */
export const foreignArchitectures: readonly string[] = [
  "ARM",
  "AARCH64",
  "LOONGARCH64",
  "M68K",
  "MIPS",
  "MIPS64",
  "MIPS64N32",
  "MIPSEL",
  "MIPSEL64",
  "MIPSEL64N32",
  "PARISC",
  "PARISC64",
  "PPC",
  "PPC64",
  "PPC64LE",
  "RISCV64",
  "S390",
  "S390X",
  "SH",
  "SHEB",
].map((name) => `SCMP_ARCH_${name}`);
