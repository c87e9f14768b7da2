/**
 * Checks that a VM's files exist, so that a missing one is reported before anything is made. They are looked at
 * together: on Node each look takes a trip to another thread, and a guest may be waiting.
 */
import type { Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import { together } from "../../util/together.ts";
import { requireFile } from "../required-file.ts";
import type { VmSpec } from "../spec.ts";
import type { QemuDriverOptions } from "./options.ts";
import { allDisks, type ImageFile } from "./plan-machine.ts";

export interface MachineFiles {
  readonly qemu: string;
  readonly kernel: string;
  readonly initrd: string | undefined;
  /** Empty if no directory is shared by virtio-fs. */
  readonly daemon: string;
  /** The memory is made in a directory; if false, a file for the memory exists already. */
  readonly memoryIsDirectory: boolean;
  /** By the image's path. */
  readonly images: ReadonlyMap<string, ImageFile>;
}

/** @throws KumiteError `hypervisor/not-found`, `hypervisor/unsupported` */
export async function requireFiles(os: Os, options: QemuDriverOptions, spec: VmSpec): Promise<MachineFiles> {
  const built = "run `npm run setup` in the source tree, or install Kumite again";
  const file = (what: string, paths: readonly string[], hint: string) => requireFile(os, { what, paths, hint });
  const { kernel, initrd } = spec.guest;
  const needsDaemon = spec.sharedDirectories.some(({ by }) => by !== "9p");
  const { memoryBacking, restoreFrom } = spec;
  const memory = memoryBacking?.kind === "file" ? memoryBacking.path : undefined;
  const gone = "if it belonged to a template, start the VM without that template";
  const firmware = (path: string) => file("the firmware", [path], "correct firmware or pflashes in [hypervisor.qemu]");
  const daemonHint = "install the package virtiofsd, on Debian 12 qemu-system-common";
  const [qemu, memoryIsDirectory, , , kernelFile, initrdFile, daemon, images] = await together(
    file("QEMU", [options.path], "install the package qemu-system-x86"),
    memory === undefined ? Promise.resolve(false) : isDirectory(os, memory, gone),
    restoreFrom === undefined ? nothing : file("the saved state", [restoreFrom], gone),
    together(...ownFirmware(options).map(firmware)),
    file("the guest kernel", [kernel], built),
    initrd === undefined ? nothing : file("the guest's initial file system", [initrd], built),
    needsDaemon ? file("the file-sharing daemon virtiofsd", options.virtioFsDaemons, daemonHint) : Promise.resolve(""),
    imageFiles(os, spec),
  );
  return { qemu, kernel: kernelFile, initrd: initrdFile, daemon, memoryIsDirectory, images };
}

const nothing = Promise.resolve(undefined);

/** Whether the memory is made in a directory. Otherwise its file exists. */
async function isDirectory(os: Os, memory: string, hint: string): Promise<boolean> {
  const { kind } = (await os.files.status(memory)) ?? {};
  if (kind !== "directory" && kind !== "file")
    await requireFile(os, { what: "the file with the VM's memory", paths: [memory], hint });
  return kind === "directory";
}

/** A name without a slash is one that QEMU finds itself. */
function ownFirmware({ firmware }: QemuDriverOptions): readonly string[] {
  const paths = firmware?.kind === "flash" ? firmware.paths : firmware === undefined ? [] : [firmware.path];
  return paths.filter((path) => path.includes("/"));
}

async function imageFiles(os: Os, spec: VmSpec): Promise<Map<string, ImageFile>> {
  const files = new Map<string, ImageFile>();
  const disks = allDisks(spec);
  const statuses = await Promise.all(disks.map(({ path }) => os.files.status(path)));
  for (const [index, { id, path, bus }] of disks.entries()) {
    const status = statuses[index];
    if (status?.kind !== "file" && status?.kind !== "block") {
      const what = status === undefined ? "there is no file" : "there is neither a regular file nor a block device";
      throw new KumiteError("hypervisor/not-found", `disk ${id}: ${what} at ${path}`, {
        phase: "hypervisor.start",
        hint: "correct the path of the image",
        data: { path },
      });
    }
    const isDevice = status.kind === "block";
    if (bus === "nvdimm" && (isDevice || status.size === 0)) {
      throw new KumiteError("hypervisor/unsupported", `disk ${id}: ${path} cannot be an nvdimm`, {
        phase: "hypervisor.start",
        hint: "an nvdimm must be a regular file that is not empty; use virtio-blk for a block device",
        data: { path },
      });
    }
    files.set(path, { isDevice, sizeBytes: status.size });
  }
  return files;
}
