/** Replaces a file so that after a crash it has either the old or the new content, never a mixture. */
import { toHex } from "../../util/hex.ts";
import { dirName } from "../../util/path.ts";
import { fchmod, openDirectory, rename, unlinkQuietly } from "../linux/directory.ts";
import { closeQuietly, fsync, open, writeAll } from "../linux/file.ts";
import { O_CLOEXEC, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../linux/open-flags.ts";
import { getrandom } from "../linux/random.ts";

/** Implements `Files.replace`. A failure leaves the old file and no temporary file. */
export function replaceFile(path: string, data: Uint8Array, mode: number): void {
  const suffix = toHex(getrandom(8));
  const temporary = `${path}.${suffix}.tmp`;
  writeDurably(temporary, data, mode);
  try {
    rename(temporary, path);
  } catch (error) {
    unlinkQuietly(temporary);
    throw error;
  }
  syncDirectory(dirName(path));
}

function writeDurably(path: string, data: Uint8Array, mode: number): void {
  const fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
  try {
    // Sets the mode regardless of the umask.
    fchmod(fd, mode);
    writeAll(fd, data, path);
    fsync(fd, path);
  } catch (error) {
    unlinkQuietly(path);
    throw error;
  } finally {
    closeQuietly(fd);
  }
}

function syncDirectory(path: string): void {
  const fd = openDirectory(path);
  try {
    fsync(fd, path);
  } finally {
    closeQuietly(fd);
  }
}
