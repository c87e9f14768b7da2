/** The file that tells an engine which process to wait for. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { baseName, dirName } from "../util/path.ts";

/**
 * Refuses, before anything is made, a path where the file cannot be created.
 * @throws KumiteError `usage/invalid`
 */
export async function checkPidFile(os: Os, path: string): Promise<void> {
  const directory = dirName(path);
  const status = await os.files.status(directory);
  if (status?.kind === "directory") return;
  throw new KumiteError("usage/invalid", `--pid-file ${path}: ${directory} is not a directory`, {
    hint: "name a file in a directory that exists",
    data: { path },
  });
}

/** Writes the pid in decimal, without a newline. It appears complete: engines read it as soon as it exists. */
export async function writePidFile(os: Os, path: string, pid: number): Promise<void> {
  const temporary = `${dirName(path)}/.${baseName(path)}.${os.self.pid}`;
  try {
    await os.files.write(temporary, `${pid}`, { mode: 0o644 });
    await os.files.rename(temporary, path);
  } catch (error) {
    await os.files.removeFile(temporary).catch(() => {});
    if (!isSystemError(error)) throw error;
    throw new KumiteError("system/failed", `--pid-file ${path}: ${messageOf(error)}`, { data: { path } });
  }
}
