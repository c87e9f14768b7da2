/** Lists a directory that may be missing. */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

/** Names, unordered; empty if the directory does not exist. */
export async function listOrNothing(os: Os, path: string): Promise<string[]> {
  try {
    return await os.files.list(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}
