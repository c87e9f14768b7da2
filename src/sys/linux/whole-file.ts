/**
 * Reads and writes small files at once, such as those of /proc, /sys and cgroups. Synchronous: not for files that are
 * large or can block.
 */
import * as native from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { check, type Path, pathText } from "./check.ts";
import { closeQuietly, openat, writeAll } from "./file.ts";
import { AT_FDCWD, O_CLOEXEC, O_CREAT, O_NOCTTY, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } from "./open-flags.ts";

const firstSize = 4096;

/** Reads up to the end; EFBIG beyond `limit` bytes. `subject` is for messages. */
export function readToEnd(fd: number, limit: number, subject: Path): Uint8Array {
  let buffer = new Uint8Array(Math.min(firstSize, limit + 1));
  let used = 0;
  for (;;) {
    const count = check(native.read(fd, buffer, used, buffer.length - used), "read", subject);
    if (count === 0) return buffer.subarray(0, used);
    used += count;
    if (used > limit) throw new SystemError("EFBIG", "read", pathText(subject));
    if (used === buffer.length) {
      const grown = new Uint8Array(Math.min(buffer.length * 4, limit + 1));
      grown.set(buffer);
      buffer = grown;
    }
  }
}

/** Reads a whole file; a FIFO without data fails with EAGAIN instead of blocking. */
export function readFileBytes(path: Path, limit = 1 << 20, directory = AT_FDCWD): Uint8Array {
  const fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  try {
    return readToEnd(fd, limit, path);
  } finally {
    closeQuietly(fd);
  }
}

/** Reads the first bytes, or all of a shorter file. */
export function readFileStart(path: Path, length: number): Uint8Array {
  const fd = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  try {
    const bytes = new Uint8Array(length);
    let filled = 0;
    for (;;) {
      const count = check(native.read(fd, bytes, filled, length - filled), "read", path);
      filled += count;
      if (count === 0 || filled === length) return bytes.subarray(0, filled);
    }
  } finally {
    closeQuietly(fd);
  }
}

export function readFileText(path: Path, limit = 1 << 20, directory = AT_FDCWD): string {
  return new TextDecoder().decode(readFileBytes(path, limit, directory));
}

/** Writes an existing kernel file in one call, as files of /proc, /sys and cgroups require. */
export function writeKernelFile(path: Path, text: string, directory = AT_FDCWD): void {
  const fd = openat(directory, path, O_WRONLY | O_CLOEXEC);
  try {
    writeAll(fd, new TextEncoder().encode(text), path);
  } finally {
    closeQuietly(fd);
  }
}

/** Creates or truncates the file. */
export function writeFile(path: Path, data: string | Uint8Array, mode = 0o600, directory = AT_FDCWD): void {
  const fd = openat(directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  try {
    writeAll(fd, typeof data === "string" ? new TextEncoder().encode(data) : data, path);
  } finally {
    closeQuietly(fd);
  }
}
