/** The QEMU command line of a VM. Pure; every option is rendered by `renderOption`. */
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
    // QEMU's default is the legacy interface, which virtiofsd does not support.
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
      // The kernel's parameters are in the restored memory. The state is passed later, over the monitor.
      return ["-incoming", "defer"];
    case "kernel": {
      const initrd = boot.initrd === undefined ? [] : ["-initrd", boot.initrd];
      return ["-kernel", boot.kernel, ...initrd, "-append", boot.parameters.join(" ")];
    }
  }
}

/** Limits what a VMM can do that its guest has taken over. */
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
    // The IOMMU must see interrupts before the kernel's interrupt controller does.
    "kernel-irqchip": accelerator === "kvm" && devices.some(({ kind }) => kind === "iommu") ? "split" : undefined,
    nvdimm: devices.some(({ kind }) => kind === "nvdimm") ? true : undefined,
    "memory-backend": backendProperties(memory) === undefined ? undefined : memoryId,
    ...(firmware?.kind === "flash" ? flashesOf(firmware.paths) : {}),
    ...machine.typeProperties,
  };
}

/** Parts of the board that a guest would probe and never use. */
const unusedParts: { readonly [T in MachineType]: Properties } = {
  q35: { usb: false, sata: false, smbus: false, i8042: false, vmport: false, graphics: false },
  pc: { usb: false, sata: false, smbus: false, i8042: false, vmport: false, graphics: false },
  // microvm's built-in serial line cannot have an id; ours is an ordinary device.
  microvm: { "isa-serial": false, "x-option-roms": false, usb: false, graphics: false },
};

function acceleratorOf(accelerator: Accelerator): string[] {
  switch (accelerator) {
    case "kvm":
      return option("-accel", "kvm", {});
    case "tcg":
      // In MiB, for translated code. QEMU's default is 1 GiB, which a long-lived guest would fill.
      return option("-accel", "tcg", { thread: "multi", "tb-size": 256 });
  }
}

/** After a pause the guest takes the time from the host instead of catching up on missed ticks. */
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
  // Under TCG, `rep movsb` works byte by byte, so a guest that uses fast strings copies five times slower. Linux 6.1
  // takes FSRM (in QEMU 10) as a promise of fast strings, and practically never finishes its first memmove. Five-level
  // page tables add a memory access to each TLB miss.
  return ["max", { erms: false, fsrm: false, la57: false, ...cpuFeatures }];
}

/** vCPUs that are plugged in later are sockets. */
function growthOf({ vcpus, maxVcpus = vcpus }: QemuMachine): Properties {
  if (maxVcpus <= vcpus) return {};
  return { cores: 1, threads: 1, sockets: maxVcpus, maxcpus: maxVcpus };
}

/** Starts the kernel by its PVH entry and saves the 45 ms of a full BIOS. */
const defaultFirmware: Firmware = { kind: "rom", path: smallFirmware };

function firmwareOptions(firmware: Firmware): string[] {
  switch (firmware.kind) {
    case "rom":
      return option("-bios", firmware.path, {});
    case "flash":
      return firmware.paths.flatMap((path, index) =>
        // Firmware settings must not outlive a VM, so the flash is read-only.
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

/** The format is always explicit: if QEMU guessed it from the content, the guest could choose it. */
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
