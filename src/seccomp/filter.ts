/** A compiled profile. Types only. */

export interface SeccompFilter {
  /** SECCOMP_FILTER_FLAG_* for seccomp(2). */
  readonly flags: number;
  /** Classic BPF: `struct sock_filter` of 8 bytes each, at most `maxInstructions`. */
  readonly program: Uint8Array;
}

/** The kernel's BPF_MAXINSNS. */
export const maxInstructions = 4096;
export const instructionBytes = 8;
