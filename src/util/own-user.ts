/**
 * Users that are made up for one process each: a number from a range that no distribution gives to anybody, plus the pid.
 * So it is unique among living processes, nobody has to keep account of it, and nothing is left of it.
 */

/** What systemd's list of ranges leaves unused: 0x70000000 to 0x7fffffff. Pids have 22 bits at most. */
export const firstOwnUser = 0x7000_0000;
const lastOwnUser = firstOwnUser + (1 << 22) - 1;

/** User and group of a process that was started with `ownUser`. */
export function ownUserOf(pid: number): number {
  return firstOwnUser + pid;
}

/** @param map `/proc/self/uid_map` or `gid_map`: whether the kernel knows all those users here */
export function hasOwnUsers(map: string): boolean {
  return map.split("\n").some((line) => {
    const [inside = 0, , length = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= firstOwnUser && lastOwnUser < inside + length;
  });
}
