/** A removal of what is not there: a success, however the kernel puts it. */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

/** Where nothing can be written the kernel refuses a removal (EROFS) before it looks whether there is something. */
export async function missingIsFine(os: Os, path: string, removal: Promise<void>): Promise<void> {
  try {
    await removal;
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return;
    if (isSystemError(error, "EROFS") && (await os.files.linkStatus(path)) === undefined) return;
    throw error;
  }
}
