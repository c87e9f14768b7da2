/** A directory tree as a map from path to content, to check that nothing in it was changed. */
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import path from "node:path";

export type TreeDigest = ReadonlyMap<string, string>;

export async function digestTree(root: string): Promise<TreeDigest> {
  const found = new Map<string, string>();
  const contents = new Map<number, Promise<string>>();
  for (const name of ["", ...(await readdir(root, { recursive: true }))].sort()) {
    const file = path.join(root, name);
    const { mode, uid, gid, rdev, ino } = await lstat(file);
    found.set(name, [mode.toString(8), uid, gid, rdev, await contentOf(file, mode, ino, contents)].join(" "));
  }
  return found;
}

/** The differences, except for added empty files and directories: mount points that the root file system lacked. */
export function changesOf(before: TreeDigest, after: TreeDigest): string[] {
  const lost = [...before].filter(([name, what]) => after.get(name) !== what).map(([name]) => `changed: ${name}`);
  const added = [...after].filter(([name, what]) => !before.has(name) && !what.endsWith(" empty"));
  return [...lost, ...added.map(([name]) => `added: ${name}`)];
}

/** Reads the content of hard links once. */
async function contentOf(
  file: string,
  mode: number,
  inode: number,
  known: Map<number, Promise<string>>,
): Promise<string> {
  switch (mode & 0o170000) {
    case 0o040000:
      return (await readdir(file)).length === 0 ? "empty" : "directory";
    case 0o120000:
      return readlink(file);
    case 0o100000: {
      const reading = known.get(inode) ?? readFile(file).then(hash);
      known.set(inode, reading);
      return reading;
    }
    default:
      return "special";
  }
}

function hash(bytes: Buffer): string {
  return bytes.length === 0 ? "empty" : createHash("sha256").update(bytes).digest("hex");
}
