/** Where programs of the host are, whatever PATH says. */
import type { Os } from "../sys/os.ts";

const directories = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/usr/local/sbin"];

/** Its path; `undefined` when this host has no such program. */
export async function findTool(os: Os, tool: string): Promise<string | undefined> {
  for (const directory of directories) {
    const path = `${directory}/${tool}`;
    if ((await os.files.status(path))?.kind === "file") return path;
  }
  return undefined;
}
