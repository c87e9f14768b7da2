/**
 * Files that the kernel makes up when they are read. They wait for no device and no other host, so they are read at
 * once: an asynchronous read is four calls, each of which wakes a thread of Node's pool and waits for it. Planning a VM
 * reads dozens of such files, while a guest needs the CPU.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { concat } from "../../util/bytes.ts";
import { SystemError } from "../../util/errors.ts";

/** Without the links of proc(5) that lead to any other file system. */
const pattern = /^\/(?:proc|sys\/fs\/cgroup)\/(?!(?:.*\/)?(?:root|cwd|exe|fd|map_files|task)(?:\/|$))/;
const firstReadBytes = 8 * 1024;
const readStepBytes = 64 * 1024;

export function isKernelFile(path: string): boolean {
  return pattern.test(path);
}

/** Reads to the end, since these files have no size. @throws an error of Node; SystemError `EFBIG` */
export function readKernelFile(path: string, limit: number): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const parts: Uint8Array[] = [];
    let length = 0;
    // A new buffer only when one is full: these files are small, and the shim's memory counts.
    let part = new Uint8Array(firstReadBytes);
    let filled = 0;
    for (;;) {
      const count = readSync(file, part, filled, part.length - filled, null);
      if (count === 0) return concat([...parts, part.subarray(0, filled)]);
      length += count;
      filled += count;
      if (length > limit) throw new SystemError("EFBIG", "read", path);
      if (filled < part.length) continue;
      parts.push(part);
      part = new Uint8Array(readStepBytes);
      filled = 0;
    }
  } finally {
    closeSync(file);
  }
}
