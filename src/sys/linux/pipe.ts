/** Calls that only work with pipes. */
import { fcntl, splice } from "kumite:native";
import { check } from "./check.ts";

const F_SETPIPE_SZ = 1031;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;

/** Sets the capacity in bytes, which the kernel rounds up to a power of two of at least a page. */
export function setPipeSize(fd: number, bytes: number): void {
  check(fcntl(fd, F_SETPIPE_SZ, bytes), "F_SETPIPE_SZ", `descriptor ${fd}`);
}

/**
 * Moves up to `length` bytes between two descriptors, one of which is a pipe, without copying. Returns a native result:
 * a count, 0 at the end, or the negated errno. Never blocks on the pipe; blocks on the other side only if that
 * descriptor is a blocking one.
 */
export function movePiped(from: number, to: number, length: number): number {
  return splice(from, null, to, null, length, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
}
