/**
 * Passes a VM's files to QEMU as open descriptors, so that QEMU can run as a user who may not open root's files. Pure.
 *
 * Disks are opened through descriptor sets, whatever the files' modes. QEMU opens other files by path: `/proc/self/fd`
 * bypasses the permissions of the directories, so that only the mode of the file itself matters.
 */
import type { Boot, Device, DiskImage, Firmware, HandedFile, QemuMachine } from "./machine.ts";

/** @param firstFd the first descriptor number that is free in the QEMU process */
export function withFilesHanded(machine: QemuMachine, firstFd: number): QemuMachine {
  const files = new Files(firstFd);
  const { boot, firmware, images, devices } = machine;
  return {
    ...machine,
    boot: bootWith(files, boot),
    ...(firmware === undefined ? {} : { firmware: firmwareWith(files, firmware) }),
    ...(images === undefined ? {} : { images: images.map((image) => imageWith(files, image)) }),
    devices: devices.map((device) => deviceWith(files, device)),
    files: [...(machine.files ?? []), ...files.handed],
  };
}

class Files {
  readonly handed: HandedFile[] = [];
  #nextFd: number;

  constructor(firstFd: number) {
    this.#nextFd = firstFd;
  }

  /**
   * A path by which QEMU opens the file through a descriptor set. Since QEMU 9.1 the descriptor must have been opened
   * with the same access.
   */
  inSet(path: string, how: { readonly writable?: boolean; readonly direct?: boolean } = {}): string {
    const { writable = false, direct = false } = how;
    const fd = this.#nextFd++;
    this.handed.push({
      fd,
      descriptor: { kind: writable ? "readWrite" : "read", path, ...(direct && { direct }) },
      set: fd,
    });
    return `/dev/fdset/${fd}`;
  }

  /** A path by which QEMU opens the file again. */
  byPath(path: string): string {
    const fd = this.#nextFd++;
    this.handed.push({ fd, descriptor: { kind: "read", path } });
    return `/proc/self/fd/${fd}`;
  }
}

function bootWith(files: Files, boot: Boot): Boot {
  if (boot.kind === "incoming") return boot;
  const { kernel, initrd } = boot;
  const first = files.byPath(kernel);
  return { ...boot, kernel: first, ...(initrd === undefined ? {} : { initrd: files.byPath(initrd) }) };
}

/** A name without a slash is one of QEMU's own files. */
function firmwareWith(files: Files, firmware: Firmware): Firmware {
  switch (firmware.kind) {
    case "rom":
      return firmware.path.includes("/") ? { kind: "rom", path: files.byPath(firmware.path) } : firmware;
    case "flash":
      return { kind: "flash", paths: firmware.paths.map((path) => files.inSet(path)) };
  }
}

function imageWith(files: Files, image: DiskImage): DiskImage {
  return { ...image, path: files.inSet(image.path, { writable: !image.readOnly, direct: image.cache.direct }) };
}

function deviceWith(files: Files, device: Device): Device {
  switch (device.kind) {
    case "nvdimm":
      return { ...device, path: files.byPath(device.path) };
    case "random":
      return { ...device, source: files.inSet(device.source) };
    default:
      return device;
  }
}
