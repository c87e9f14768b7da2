/** Files that exist in memory only, and what can be forbidden on them for ever (memfd_create(2), fcntl(2) F_ADD_SEALS). */
import { fcntl } from "kumite:native";
import { check } from "./check.ts";
import { ftruncate, MFD_CLOEXEC, memfd_create } from "./file.ts";

const MFD_ALLOW_SEALING = 2;

const F_ADD_SEALS = 1033;

export const seal = { sealing: 1, shrinking: 2, growing: 4, writing: 8, futureWriting: 16 } as const;

/** A file of this many bytes, all zero, which takes no memory before it is written. `name` is seen in /proc. */
export function makeMemoryFile(name: string, bytes: number): number {
  const fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ftruncate(fd, bytes);
  return fd;
}

/** `seals` are added up. EBUSY when writing is to be forbidden while somebody has it mapped for that. */
export function addSeals(fd: number, seals: number): void {
  check(fcntl(fd, F_ADD_SEALS, seals), "F_ADD_SEALS", `descriptor ${fd}`);
}
