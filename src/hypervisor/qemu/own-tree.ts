/**
 * The file system that a QEMU sees if it serves files by 9p. Such a QEMU accesses files itself and has privileges for
 * that, which must not extend beyond the served directories. This file only plans the tree.
 */
import type { Os, PrivateTree, TreeEntry } from "../../sys/os.ts";
import { isBelow } from "../../util/path.ts";
import type { VmSpec } from "../spec.ts";
import type { Accelerator } from "./machine.ts";
import type { MachineFiles } from "./machine-files.ts";

/** Programs with their libraries and data. Nobody writes there, and nothing there is secret. */
const programs = "/usr";
/** Where the dynamic loader is looked up; mostly links into /usr. */
const loaders = ["/lib", "/lib32", "/lib64"];
const libraryIndex = "/etc/ld.so.cache";
const kvmDevice = "/dev/kvm";
/** The mapping of all 32-bit ids, as in the initial user namespace. */
const allUsers = /^\s*0\s+0\s+4294967295\s*$/;

export function servesFiles({ sharedDirectories }: VmSpec): boolean {
  return sharedDirectories.some(({ by }) => by === "9p");
}

/** The reason why QEMU cannot have its own tree; `undefined` if it can. */
export async function reasonAgainstTree(os: Os, spec: VmSpec, files: MachineFiles): Promise<string | undefined> {
  const serves = "it serves files by 9p, for which it needs a file tree of its own, but";
  if (!isBelow(programs, await os.files.realPath(files.qemu)))
    return `${serves} ${files.qemu} is not below ${programs}`;
  if (!allUsers.test(await os.files.readText("/proc/self/uid_map"))) return `${serves} kumite runs in a user namespace`;
  const root = (await os.mounts.table()).findLast(({ target }) => target === "/");
  if (root === undefined || root.type === "rootfs")
    return `${serves} the host's root file system cannot be replaced for a process`;
  for (const path of shown(spec, files)) {
    if (isBelow(spec.directory, path) || isBelow(programs, path)) return `${serves} ${path} would be hidden in it`;
  }
  return undefined;
}

/** Plans the tree; call only if `reasonAgainstTree` found no reason. */
export async function ownTree(
  os: Os,
  spec: VmSpec,
  files: MachineFiles,
  accelerator: Accelerator,
): Promise<PrivateTree> {
  const { sharedDirectories } = spec;
  const entries: TreeEntry[] = [
    { kind: "directory", path: programs, readOnly: true },
    ...(await loaderEntries(os)),
    // Through /proc QEMU opens its inherited descriptors, and changes modes and attributes of served files.
    { kind: "proc", path: "/proc" },
    ...(accelerator === "kvm" ? [{ kind: "device", path: kvmDevice, readOnly: false } as const] : []),
    ...shown(spec, files).map((path): TreeEntry => {
      const share = sharedDirectories.find((one) => one.path === path);
      return { kind: "directory", path, readOnly: share?.readOnly === true };
    }),
  ];
  return { over: spec.directory, entries };
}

/** The served directories, and the directory in which the memory is made. */
function shown({ sharedDirectories, memoryBacking }: VmSpec, { memoryIsDirectory }: MachineFiles): string[] {
  const served = sharedDirectories.filter(({ by }) => by === "9p").map(({ path }) => path);
  return memoryBacking?.kind === "file" && memoryIsDirectory ? [...served, memoryBacking.path] : served;
}

async function loaderEntries(os: Os): Promise<TreeEntry[]> {
  const [found, index] = await Promise.all([
    Promise.all(loaders.map((path) => loaderEntry(os, path))),
    os.files.status(libraryIndex),
  ]);
  const entries = found.filter((entry) => entry !== undefined);
  return index?.kind === "file" ? [...entries, { kind: "file", path: libraryIndex, readOnly: true }] : entries;
}

async function loaderEntry(os: Os, path: string): Promise<TreeEntry | undefined> {
  const kind = (await os.files.linkStatus(path))?.kind;
  if (kind === "symlink") return { kind: "link", path, target: await os.files.readLink(path) };
  return kind === "directory" ? { kind, path, readOnly: true } : undefined;
}
