/**
 * Archives in cpio's "newc" format, which the kernel unpacks into its initial root file system. The same entries give
 * the same bytes: no times, no inode numbers of the build host, and root as the owner.
 */

export type CpioEntry =
  | { readonly kind: "directory"; readonly path: string; readonly mode: number }
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | {
      readonly kind: "character-device";
      readonly path: string;
      readonly mode: number;
      readonly major: number;
      readonly minor: number;
    };

const typeBits = { directory: 0o040000, file: 0o100000, link: 0o120000, "character-device": 0o020000 } as const;
const trailerName = "TRAILER!!!";

/**
 * Paths are relative, without a leading slash. A directory must come before its content, or the kernel cannot unpack
 * it.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const made = new Set<string>([""]);
  const parts: Uint8Array[] = [];
  entries.forEach((entry, index) => {
    checkPath(entry.path, made);
    made.add(entry.path);
    parts.push(...record(entry.path, index + 1, entry));
  });
  parts.push(...record(trailerName, 0, undefined));
  return Buffer.concat(parts);
}

function checkPath(path: string, made: ReadonlySet<string>): void {
  if (
    path === "" ||
    path.startsWith("/") ||
    path.split("/").some((part) => part === "" || part === "." || part === "..")
  )
    throw new Error(`not a path inside an archive: ${path}`);
  if (made.has(path)) throw new Error(`twice in the archive: ${path}`);
  const parent = path.slice(0, Math.max(path.lastIndexOf("/"), 0));
  if (!made.has(parent)) throw new Error(`${path} comes before its directory ${parent}`);
}

function record(name: string, inode: number, entry: CpioEntry | undefined): Uint8Array[] {
  const content = contentOf(entry);
  const nameBytes = Buffer.from(`${name}\0`);
  const device = entry?.kind === "character-device" ? entry : { major: 0, minor: 0 };
  const fields = [
    inode,
    entry === undefined ? 0 : typeBits[entry.kind] | modeOf(entry),
    /* uid, gid */ 0,
    0,
    /* links */ entry?.kind === "directory" ? 2 : 1,
    /* modification time */ 0,
    content.length,
    /* device of the file */ 0,
    0,
    device.major,
    device.minor,
    nameBytes.length,
    /* checksum */ 0,
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`);
  return [header, nameBytes, padding(header.length + nameBytes.length), content, padding(content.length)];
}

function modeOf(entry: CpioEntry): number {
  return entry.kind === "link" ? 0o777 : entry.mode;
}

function contentOf(entry: CpioEntry | undefined): Uint8Array {
  switch (entry?.kind) {
    case "file":
      return entry.content;
    case "link":
      return Buffer.from(entry.target);
    case "directory":
    case "character-device":
    case undefined:
      return new Uint8Array();
  }
}

function padding(size: number): Uint8Array {
  return new Uint8Array((4 - (size % 4)) % 4);
}
