/** The names in a directory that may not be there. */
import type { Os } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

/** Names in no order; none when there is no such directory. */
export async function listOrNothing(os: Os, path: string): Promise<string[]> {
  try {
    return await os.files.list(path);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}
