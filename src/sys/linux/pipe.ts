/** What only pipes have. */
import { fcntl } from "kumite:native";
import { check } from "./check.ts";

const F_SETPIPE_SZ = 1031;

/** Sets the capacity, which the kernel rounds up to a page and a power of two; in bytes. */
export function setPipeSize(fd: number, bytes: number): void {
  check(fcntl(fd, F_SETPIPE_SZ, bytes), "F_SETPIPE_SZ", `descriptor ${fd}`);
}
