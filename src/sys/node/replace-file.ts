/** Replaces a file durably: after a crash it has either the old or the new content, never a part. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirName } from "../../util/path.ts";
import { asSystemCall } from "./system-error.ts";

/** Implements `Files.replace`. */
export async function replaceFile(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  // In the same directory, since a rename cannot cross file systems.
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  await asSystemCall("replace", path, async () => {
    try {
      await writeDurably(temporary, data, mode);
      await fs.rename(temporary, path);
    } catch (error) {
      await fs.rm(temporary, { force: true });
      throw error;
    }
    await syncDirectory(dirName(path));
  });
}

async function writeDurably(path: string, data: string | Uint8Array, mode: number): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  await using file = await fs.open(path, flags, mode);
  await file.chmod(mode);
  await file.writeFile(data);
  await file.sync();
}

async function syncDirectory(path: string): Promise<void> {
  await using directory = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync();
}
