/** The QEMU command line of a machine. Pure; every option is made by `renderOption`. */
import type { Accelerator, Boot, Chardev, Device, QemuMachine } from "./machine.ts";
import { type Properties, renderOption } from "./option.ts";

const memoryId = "ram";
const monitorId = "monitor";

/** The arguments after the program's name. */
export function qemuArguments(machine: QemuMachine): string[] {
  const { name, vcpus, memoryMiB, boot, accelerator, monitor } = machine;
  const size = `${memoryMiB}M`;
  const memory = memoryObject(machine, size);
  return [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    ...option("-display", "none", {}),
    ...option("-name", name, {}),
    ...option("-sandbox", "on", confinement),
    ...option("-machine", "q35", { ...unusedParts, "memory-backend": memory === undefined ? undefined : memoryId }),
    ...accelerationOf(accelerator),
    ...option("-smp", String(vcpus), {}),
    ...option("-m", undefined, { size }),
    ...(memory ?? []),
    // Starts the kernel by its PVH entry, without the 45 ms of a full BIOS.
    ...option("-bios", "qboot.rom", {}),
    ...bootOptions(boot),
    ...(monitor === undefined ? [] : monitorOn(monitor)),
    ...machine.chardevs.flatMap(chardevOption),
    ...machine.devices.flatMap(deviceOption),
  ];
}

/** `undefined` for memory that is QEMU's own. */
function memoryObject({ sharedMemory, memoryFile }: QemuMachine, size: string): string[] | undefined {
  if (memoryFile !== undefined) {
    const { path, shared } = memoryFile;
    return option("-object", "memory-backend-file", { id: memoryId, size, "mem-path": path, share: shared });
  }
  return sharedMemory ? option("-object", "memory-backend-memfd", { id: memoryId, size, share: true }) : undefined;
}

function bootOptions(boot: Boot): string[] {
  switch (boot.kind) {
    case "incoming":
      // What the kernel was started with is in the memory. The state is named later, over the monitor.
      return ["-incoming", "defer"];
    case "kernel": {
      const initrd = boot.initrd === undefined ? [] : ["-initrd", boot.initrd];
      return ["-kernel", boot.kernel, ...initrd, "-append", boot.parameters.join(" ")];
    }
  }
}

/** A VMM that a guest broke into can do little more than compute. */
const confinement: Properties = {
  obsolete: "deny",
  elevateprivileges: "deny",
  spawn: "deny",
  resourcecontrol: "deny",
};

/** Parts of the board that a guest would find, probe and never use. */
const unusedParts: Properties = { usb: false, sata: false, smbus: false, i8042: false, vmport: false, graphics: false };

function accelerationOf(accelerator: Accelerator): string[] {
  switch (accelerator) {
    case "kvm":
      return [...option("-accel", "kvm", {}), ...option("-cpu", "host", {})];
    case "tcg":
      return [
        // In MiB, of translated code; QEMU's own limit is a gigabyte, which a guest that lives long would fill.
        ...option("-accel", "tcg", { thread: "multi", "tb-size": 256 }),
        // TCG runs `rep movsb` byte by byte: a guest that believes in fast strings copies five times slower.
        // A fifth level of page tables makes every miss of the TLB one access slower.
        ...option("-cpu", "max", { erms: false, la57: false }),
      ];
  }
}

function monitorOn(fd: number): string[] {
  return [
    ...chardevOption({ kind: "descriptor", id: monitorId, fd }),
    ...option("-mon", undefined, { chardev: monitorId, mode: "control" }),
  ];
}

function chardevOption(chardev: Chardev): string[] {
  switch (chardev.kind) {
    case "descriptor":
      return option("-chardev", "socket", { id: chardev.id, fd: chardev.fd });
    case "connect":
      return option("-chardev", "socket", { id: chardev.id, path: chardev.path });
  }
}

function deviceOption(device: Device): string[] {
  switch (device.kind) {
    case "serial":
      return option("-device", "isa-serial", { chardev: device.chardev });
    case "virtio-serial":
      return option("-device", "virtio-serial-pci", { id: device.id, max_ports: device.ports, ...pci });
    case "port":
      return option("-device", "virtserialport", {
        id: device.id,
        bus: `${device.bus}.0`,
        chardev: device.chardev,
        name: device.name,
      });
    case "9p":
      return [
        ...option("-fsdev", "local", { id: device.id, path: device.path, security_model: "none", multidevs: "remap" }),
        ...option("-device", "virtio-9p-pci", { fsdev: device.id, mount_tag: device.tag, ...pci }),
      ];
    case "virtio-fs":
      return option("-device", "vhost-user-fs-pci", { chardev: device.chardev, tag: device.tag, ...pci });
  }
}

/** No option ROM: nothing boots from our devices. */
const pci: Properties = { romfile: "" };

function option(flag: string, driver: string | undefined, properties: Properties): string[] {
  return [flag, renderOption(driver, properties)];
}
