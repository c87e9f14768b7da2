/**
 * Whether QEMU can run as a user of its own, who may open, write and signal nothing of root's. What it needs of root's it is
 * given open; here is what that does not do for.
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
  /** With a group beside its own, unless that is 0; `tree`: all that it sees of the host's files, default everything. */
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

/** capabilities(7): CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_IPC_LOCK. */
const [giveAway, passModes, actAsOwner, keepSetIds, lockMemory] = [0, 1, 3, 4, 14];

/**
 * What QEMU may do beyond its user, by number. As whom a program of the guest acts by 9p its kernel has decided: QEMU only has
 * to be able to do it. Not CAP_DAC_READ_SEARCH, which opens any file of a file system by its handle, whatever tree one is in.
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
    if (!hasOwnUsers(await os.files.readText(file))) return `${file} has no users to spare`;
  }
  return undefined;
}

/** It is executed as that user already, by its name. */
async function reasonOfProgram(os: Os, program: string): Promise<string | undefined> {
  const path = await os.files.realPath(program);
  for (let at = path; at !== "/"; at = dirName(at)) {
    if (!allows(await os.files.status(at), 0o1)) return `${at} is closed to others`;
  }
  return undefined;
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
    if (!allows(await os.files.status(path), bits)) return `${path} is closed to others`;
  }
  return undefined;
}

/** Where it is for a group only, QEMU is of that group too. */
async function userOfKvm(os: Os): Promise<QemuUser> {
  const status = await os.files.status(kvmDevice);
  if (allows(status, otherMayReadAndWrite)) return { kind: "own", group: 0 };
  if (status !== undefined && status.gid !== 0 && (status.mode & 0o060) === 0o060) {
    return { kind: "own", group: status.gid };
  }
  return { kind: "root", reason: `${kvmDevice} is root's alone` };
}

function allows(status: FileStatus | undefined, bits: number): boolean {
  return status !== undefined && (status.mode & bits) === bits;
}
