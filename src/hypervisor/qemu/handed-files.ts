/**
 * Files of a machine that QEMU is given open, so that it can run as somebody who may open nothing of root's. Pure.
 *
 * A disk it opens by the number of a set of descriptors, whatever its mode. What else QEMU reads it opens by a path of its
 * own: `/proc/self/fd` leads there past every directory, and only the mode of the file itself counts.
 */
import type { Boot, Device, DiskImage, Firmware, HandedFile, QemuMachine } from "./machine.ts";

/** @param firstFd the first number that is free in the QEMU process */
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

  /** The name of a file that QEMU opens through a set: since version 9.1 only when it was opened as QEMU would open it. */
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

  /** The name of a file that QEMU opens anew. */
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

/** A name without a slash is one of QEMU's own. */
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
