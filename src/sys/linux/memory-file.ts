/** Memory-backed files without names, and their seals (memfd_create(2), fcntl(2) F_ADD_SEALS). */
import { fcntl } from "kumite:native";
import { check } from "./check.ts";
import { ftruncate, MFD_CLOEXEC, memfd_create } from "./file.ts";

const MFD_ALLOW_SEALING = 2;

const F_ADD_SEALS = 1033;

export const seal = { sealing: 1, shrinking: 2, growing: 4, writing: 8, futureWriting: 16 } as const;

/** Creates a file of this many zero bytes, which takes no memory until it is written. `name` is visible in /proc. */
export function makeMemoryFile(name: string, bytes: number): number {
  const fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  ftruncate(fd, bytes);
  return fd;
}

/** `seals` is a sum. EBUSY for the seal `writing` while the file is mapped writable. */
export function addSeals(fd: number, seals: number): void {
  check(fcntl(fd, F_ADD_SEALS, seals), "F_ADD_SEALS", `descriptor ${fd}`);
}
