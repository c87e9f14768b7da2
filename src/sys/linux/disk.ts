/** Disks as files (block devices). */
import { ioctl } from "kumite:native";
import { check } from "./check.ts";

const BLKFLSBUF = 0x1261;

/** Writes back and drops the page cache of a disk, except what a mounted file system holds. */
export function forgetDisk(fd: number): void {
  check(ioctl(fd, BLKFLSBUF, 0), "BLKFLSBUF");
}
