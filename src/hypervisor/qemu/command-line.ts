/** The QEMU command line of a machine. Pure; every option is made by `renderOption`. */
import { deviceOptions } from "./device-options.ts";
import {
  type Accelerator,
  type Boot,
  type Chardev,
  type DiskImage,
  type Firmware,
  type HandedFile,
  type MachineType,
  type MonitorProtocol,
  type QemuMachine,
  smallFirmware,
} from "./machine.ts";
import { backendProperties, memoryId, memoryOptions } from "./memory-options.ts";
import { option, type Properties } from "./option.ts";

const monitorId = "monitor";
const extraMonitorId = "extra-monitor";

/** The arguments after the program's name. */
export function qemuArguments(machine: QemuMachine): string[] {
  const { name, boot, monitor, extraMonitor, threads = [], images = [], files = [] } = machine;
  return [
    "-nodefaults",
    "-no-user-config",
    "-no-reboot",
    ...option("-display", "none", {}),
    ...option("-name", name, {}),
    ...option("-sandbox", "on", confinement),
    ...option("-machine", machine.type, boardOf(machine)),
    ...acceleratorOf(machine.accelerator),
    ...clockOf(machine.accelerator),
    // Left to itself QEMU speaks there as before virtio 1, which a file-sharing daemon does not understand.
    ...(machine.type === "microvm" ? ["-global", "virtio-mmio.force-legacy=off"] : []),
    ...option("-cpu", ...cpuOf(machine)),
    ...option("-smp", String(machine.vcpus), growthOf(machine)),
    ...memoryOptions(machine.memory, machine.devices),
    ...firmwareOptions(machine.firmware ?? defaultFirmware),
    ...bootOptions(boot),
    ...(machine.pausesOnPanic === true ? option("-action", undefined, { panic: "pause" }) : []),
    ...(machine.startsPaused === true ? ["-S"] : []),
    ...(monitor === undefined ? [] : monitorOn(monitor)),
    ...(extraMonitor === undefined ? [] : extraMonitorOn(extraMonitor.fd, extraMonitor.protocol)),
    ...machine.chardevs.flatMap(chardevOption),
    ...files.flatMap(setOption),
    ...threads.flatMap((id) => option("-object", "iothread", { id })),
    ...images.flatMap(imageOption),
    ...machine.devices.flatMap((device) => deviceOptions(device, machine)),
  ];
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

function boardOf(machine: QemuMachine): Properties {
  const { type, accelerator, memory, firmware, devices } = machine;
  return {
    ...unusedParts[type],
    // What translates interrupts must see them before the kernel's own interrupt controller.
    "kernel-irqchip": accelerator === "kvm" && devices.some(({ kind }) => kind === "iommu") ? "split" : undefined,
    nvdimm: devices.some(({ kind }) => kind === "nvdimm") ? true : undefined,
    "memory-backend": backendProperties(memory) === undefined ? undefined : memoryId,
    ...(firmware?.kind === "flash" ? flashesOf(firmware.paths) : {}),
    ...machine.typeProperties,
  };
}

/** Parts of the board that a guest would find, probe and never use. */
const unusedParts: { readonly [T in MachineType]: Properties } = {
  q35: { usb: false, sata: false, smbus: false, i8042: false, vmport: false, graphics: false },
  pc: { usb: false, sata: false, smbus: false, i8042: false, vmport: false, graphics: false },
  // Its own serial line cannot be given a name; ours is a device like any other.
  microvm: { "isa-serial": false, "x-option-roms": false, usb: false, graphics: false },
};

function acceleratorOf(accelerator: Accelerator): string[] {
  switch (accelerator) {
    case "kvm":
      return option("-accel", "kvm", {});
    case "tcg":
      // In MiB, of translated code; QEMU's own limit is a gigabyte, which a guest that lives long would fill.
      return option("-accel", "tcg", { thread: "multi", "tb-size": 256 });
  }
}

/** A guest that did not run for a while gets its time from the host, not every tick that it missed. */
function clockOf(accelerator: Accelerator): string[] {
  if (accelerator === "tcg") return [];
  return [
    ...option("-rtc", undefined, { base: "utc", driftfix: "slew", clock: "host" }),
    "-global",
    "kvm-pit.lost_tick_policy=discard",
  ];
}

function cpuOf({ accelerator, cpuFeatures }: QemuMachine): [string, Properties] {
  if (accelerator === "kvm") return ["host", { ...cpuFeatures }];
  // TCG runs `rep movsb` byte by byte: a guest that believes in fast strings copies five times slower.
  // Linux 6.1 takes "fast short" (QEMU 10 has it) for a promise of fast ones, and is never done with its first memmove.
  // A fifth level of page tables makes every miss of the TLB one access slower.
  return ["max", { erms: false, fsrm: false, la57: false, ...cpuFeatures }];
}

/** Processors that are plugged in later are sockets. */
function growthOf({ vcpus, maxVcpus = vcpus }: QemuMachine): Properties {
  if (maxVcpus <= vcpus) return {};
  return { cores: 1, threads: 1, sockets: maxVcpus, maxcpus: maxVcpus };
}

/** Starts the kernel by its PVH entry, without the 45 ms of a full BIOS. */
const defaultFirmware: Firmware = { kind: "rom", path: smallFirmware };

function firmwareOptions(firmware: Firmware): string[] {
  switch (firmware.kind) {
    case "rom":
      return option("-bios", firmware.path, {});
    case "flash":
      return firmware.paths.flatMap((path, index) =>
        // Nobody's settings are to survive a machine: all of it is read-only.
        option("-blockdev", undefined, {
          driver: "raw",
          "node-name": flashId(index),
          "read-only": true,
          "file.driver": "file",
          "file.filename": path,
        }),
      );
  }
}

const flashId = (index: number): string => `flash${index}`;

function flashesOf(paths: readonly string[]): Properties {
  return Object.fromEntries(paths.map((_, index) => [`pflash${index}`, flashId(index)]));
}

function monitorOn(fd: number): string[] {
  return [
    ...chardevOption({ id: monitorId, fd }),
    ...option("-mon", undefined, { chardev: monitorId, mode: "control" }),
  ];
}

function extraMonitorOn(fd: number, protocol: MonitorProtocol): string[] {
  return [
    ...option("-chardev", "socket", { id: extraMonitorId, fd, server: true, wait: false }),
    ...option("-mon", undefined, {
      chardev: extraMonitorId,
      mode: protocol === "hmp" ? "readline" : "control",
      pretty: protocol === "qmp-pretty" ? true : undefined,
    }),
  ];
}

function chardevOption({ id, fd }: Chardev): string[] {
  return option("-chardev", "socket", { id, fd });
}

function setOption({ fd, set }: HandedFile): string[] {
  return set === undefined ? [] : option("-add-fd", undefined, { fd, set });
}

/** The format is always said: one that QEMU guesses from the content is one that the guest chooses. */
function imageOption({ id, path, isDevice, readOnly, cache, aio }: DiskImage): string[] {
  const flags = (prefix: string): Properties => ({
    [`${prefix}cache.direct`]: cache.direct ? true : undefined,
    [`${prefix}cache.no-flush`]: cache.noFlush ? true : undefined,
  });
  return option("-blockdev", undefined, {
    driver: "raw",
    "node-name": id,
    "read-only": readOnly,
    ...flags(""),
    "file.driver": isDevice ? "host_device" : "file",
    "file.filename": path,
    "file.aio": aio,
    ...flags("file."),
  });
}
