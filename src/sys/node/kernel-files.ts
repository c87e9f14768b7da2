/**
 * Files that the kernel makes up when they are read. They wait for no device and no other host, so they are read at
 * once: an asynchronous read is four calls, each of which wakes a thread of Node's pool and waits for it. Planning a VM
 * reads dozens of such files, while a guest needs the CPU.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { WholeFile } from "./whole-file.ts";

/** Without the links of proc(5) that lead to any other file system. */
const pattern = /^\/(?:proc|sys\/fs\/cgroup)\/(?!(?:.*\/)?(?:root|cwd|exe|fd|map_files|task)(?:\/|$))/;

export function isKernelFile(path: string): boolean {
  return pattern.test(path);
}

/** Reads to the end, since these files have no size. @throws an error of Node; SystemError `EFBIG` */
export function readKernelFile(path: string, limit: number): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const whole = new WholeFile(path, limit);
    for (;;) {
      const count = readSync(file, whole.space);
      if (count === 0) return whole.bytes();
      whole.add(count);
    }
  } finally {
    closeSync(file);
  }
}
