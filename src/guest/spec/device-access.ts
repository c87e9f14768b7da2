/** The kinds of access to a device, in rules and in the kernel. */

/** BPF_DEVCG_ACC_*. */
export const accessBits: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
export const anyAccess = 7;
