/** Kinds of access to a device, as rules and the kernel have them. */

/** BPF_DEVCG_ACC_*. */
export const accessBits: Readonly<Record<string, number>> = { m: 1, r: 2, w: 4 };
export const anyAccess = 7;
