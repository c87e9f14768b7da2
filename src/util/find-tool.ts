/** Finds programs of the host, independently of PATH. */
import type { Os } from "../sys/os.ts";

const directories = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** The program's path; `undefined` if this host does not have it. */
export async function findTool(os: Os, tool: string): Promise<string | undefined> {
  for (const directory of directories) {
    const path = `${directory}/${tool}`;
    if ((await os.files.status(path))?.kind === "file") return path;
  }
  return undefined;
}
