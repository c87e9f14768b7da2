/** Treats the removal of something missing as a success. */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

/** On a read-only file system the kernel returns EROFS before it checks whether the file exists. */
export async function missingIsFine(os: Os, path: string, removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return;
    if (isSystemError(error, "EROFS") && (await os.files.linkStatus(path)) === undefined) return;
    throw error;
  }
}
