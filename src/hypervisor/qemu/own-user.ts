/**
 * Decides whether QEMU can run as a user of its own, which may not open, write or signal anything of root's. QEMU
 * inherits open descriptors for root's files; the checks here concern what descriptors cannot provide.
 */
import type { FileStatus, Os, PrivateTree } from "../../sys/os.ts";
import { hasOwnUsers } from "../../util/own-user.ts";
import { dirName } from "../../util/path.ts";
import type { VmSpec } from "../spec.ts";
import type { Accelerator } from "./machine.ts";
import type { MachineFiles } from "./machine-files.ts";
import type { QemuDriverOptions } from "./options.ts";
import { ownTree, reasonAgainstTree, servesFiles } from "./own-tree.ts";
import { allDisks } from "./plan-machine.ts";

export type QemuUser =
  /**
   * `group`: a group besides the user's own, or 0. `tree`: all that QEMU sees of the host's files; default everything.
   */
  | { readonly kind: "own"; readonly group: number; readonly tree?: PrivateTree }
  | { readonly kind: "root"; readonly reason: string };

const kvmDevice = "/dev/kvm";

const [otherMayRead, otherMayReadAndWrite, otherMayMakeFiles] = [0o4, 0o6, 0o3];

export async function userOfQemu(
  os: Os,
  options: QemuDriverOptions,
  spec: VmSpec,
  files: MachineFiles,
  accelerator: Accelerator,
): Promise<QemuUser> {
  const reason =
    (await reasonOfHost(os)) ??
    (await reasonOfProgram(os, files.qemu)) ??
    (await reasonOfFiles(os, options, spec, files)) ??
    (servesFiles(spec) ? await reasonAgainstTree(os, spec, files) : undefined);
  if (reason !== undefined) return { kind: "root", reason };
  const user: QemuUser = accelerator === "kvm" ? await userOfKvm(os) : { kind: "own", group: 0 };
  if (user.kind === "root" || !servesFiles(spec)) return user;
  return { ...user, tree: await ownTree(os, spec, files, accelerator) };
}

/** See capabilities(7): CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_IPC_LOCK. */
const [giveAway, passModes, actAsOwner, keepSetIds, lockMemory] = [0, 1, 3, 4, 14];

/**
 * The capabilities (by number) that QEMU keeps as its own user. The guest's kernel decides as whom a program accesses
 * files by 9p, and QEMU must be able to act accordingly. CAP_DAC_READ_SEARCH is excluded, because with it any file can
 * be opened by its handle, even outside the tree.
 */
export function capabilitiesOfQemu(spec: VmSpec): number[] {
  const serves = servesFiles(spec);
  const writes = spec.sharedDirectories.some(({ by, readOnly }) => by === "9p" && readOnly !== true);
  return [
    ...(serves ? [passModes] : []),
    ...(writes ? [giveAway, actAsOwner, keepSetIds] : []),
    ...(spec.memoryLocked === true ? [lockMemory] : []),
  ];
}

async function reasonOfHost(os: Os): Promise<string | undefined> {
  for (const file of ["/proc/self/uid_map", "/proc/self/gid_map"]) {
    if (!hasOwnUsers(await os.files.readText(file))) return `${file} has no unused ids`;
  }
  return undefined;
}

/** QEMU is executed by path as that user. */
async function reasonOfProgram(os: Os, program: string): Promise<string | undefined> {
  const paths: string[] = [];
  for (let at = await os.files.realPath(program); at !== "/"; at = dirName(at)) paths.push(at);
  const statuses = await Promise.all(paths.map((path) => os.files.status(path)));
  const closed = paths.find((_, index) => !allows(statuses[index], 0o1));
  return closed === undefined ? undefined : `other users cannot enter ${closed}`;
}

async function reasonOfFiles(
  os: Os,
  { firmware }: QemuDriverOptions,
  spec: VmSpec,
  { kernel, initrd, memoryIsDirectory }: MachineFiles,
): Promise<string | undefined> {
  const { memoryBacking, restoreFrom } = spec;
  const wanted: [path: string, bits: number][] = [];
  if (restoreFrom === undefined) {
    wanted.push([kernel, otherMayRead]);
    if (initrd !== undefined) wanted.push([initrd, otherMayRead]);
  }
  if (firmware?.kind === "rom" && firmware.path.includes("/")) wanted.push([firmware.path, otherMayRead]);
  if (memoryBacking?.kind === "file")
    wanted.push([memoryBacking.path, memoryIsDirectory ? otherMayMakeFiles : otherMayReadAndWrite]);
  for (const { bus, path, readOnly } of allDisks(spec))
    if (bus === "nvdimm") wanted.push([path, readOnly ? otherMayRead : otherMayReadAndWrite]);
  for (const [path, bits] of wanted) {
    if (!allows(await os.files.status(path), bits)) return `other users have no access to ${path}`;
  }
  return undefined;
}

/** If only a group may use KVM, QEMU gets that group. */
async function userOfKvm(os: Os): Promise<QemuUser> {
  const status = await os.files.status(kvmDevice);
  if (allows(status, otherMayReadAndWrite)) return { kind: "own", group: 0 };
  if (status !== undefined && status.gid !== 0 && (status.mode & 0o060) === 0o060) {
    return { kind: "own", group: status.gid };
  }
  return { kind: "root", reason: `only root may use ${kvmDevice}` };
}

function allows(status: FileStatus | undefined, bits: number): boolean {
  return status !== undefined && (status.mode & bits) === bits;
}
