/**
 * Artificial users for single processes: a number from a range that no distribution assigns, plus the pid. It is unique
 * among living processes, needs no bookkeeping, and leaves nothing behind.
 */

/** The range that systemd's list of uid ranges leaves unused is 0x70000000 to 0x7fffffff. Pids have at most 22 bits. */
export const firstOwnUser = 0x7000_0000;
const lastOwnUser = firstOwnUser + (1 << 22) - 1;

/** User and group of a process that was started with `ownUser`. */
export function ownUserOf(pid: number): number {
  return firstOwnUser + pid;
}

/** Whether all these users are mapped here. @param map `/proc/self/uid_map` or `gid_map` */
export function hasOwnUsers(map: string): boolean {
  return map.split("\n").some((line) => {
    const [inside = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= firstOwnUser && lastOwnUser < inside + length;
  });
}
