/**
 * Translates the configuration into options of the QEMU driver. Apart from `driver-for.ts`, only this file knows the
 * driver.
 */
import type { Config, HypervisorConfig } from "../config/config.ts";
import { type Firmware, type MachineType, machineTypes } from "../hypervisor/qemu/machine.ts";
import { parseProperties } from "../hypervisor/qemu/option.ts";
import type { QemuDriverOptions } from "../hypervisor/qemu/options.ts";
import type { HotplugPorts } from "../hypervisor/spec.ts";
import { KumiteError } from "../util/errors.ts";

/** @throws KumiteError `hypervisor/unsupported` for an unknown board */
export function qemuOptions({ qemu }: Config): QemuDriverOptions {
  const machineType = boardOf(qemu);
  const firmware = firmwareOf(qemu);
  return {
    path: qemu.path,
    virtioFsDaemons: qemu.virtioFsDaemons,
    accelerator: qemu.accelerator,
    machineType,
    machineProperties: parseProperties(qemu.machineAccelerators),
    cpuFeatures: parseProperties(qemu.cpuFeatures),
    ...(firmware === undefined ? {} : { firmware }),
    hotplugPorts: portsOf(qemu, machineType),
    nestingChecks: qemu.nestingChecks,
    throughIommu: qemu.iommu && qemu.iommuPlatform,
    rootless: qemu.rootless,
    virtioFs: {
      ...(qemu.sharing.virtioFsCache === undefined ? {} : { cache: modeOf(qemu.sharing.virtioFsCache) }),
      queueSize: qemu.sharing.virtioFsQueueSize,
      extraArguments: qemu.sharing.virtioFsExtraArguments,
    },
    ...(qemu.sharing.msize9pBytes > unaskedMessageBytes ? { messageBytes: qemu.sharing.msize9pBytes } : {}),
    debug: qemu.debug,
    ...(qemu.debug && qemu.extraMonitor !== undefined ? { extraMonitor: qemu.extraMonitor } : {}),
    ...(qemu.memoryDump === undefined ? {} : { memoryDump: qemu.memoryDump }),
  };
}

/** The value in configuration files written for kernels of 2018; the driver's own default is several times faster. */
const unaskedMessageBytes = 8192;

function boardOf({ machineType }: HypervisorConfig): MachineType {
  const found = machineTypes.find((type) => type === machineType);
  if (found !== undefined) return found;
  throw new KumiteError("hypervisor/unsupported", `machine_type ${machineType} is not supported on x86-64`, {
    phase: "vm.start",
    hint: `set machine_type in [hypervisor.qemu] to one of ${machineTypes.join(", ")}`,
  });
}

function firmwareOf({ firmware, firmwareVolume, pflashes }: HypervisorConfig): Firmware | undefined {
  if (pflashes.length > 0) return { kind: "flash", paths: pflashes };
  if (firmware === undefined) return undefined;
  if (firmwareVolume !== undefined) return { kind: "flash", paths: [firmware, firmwareVolume] };
  return { kind: "rom", path: firmware };
}

/**
 * `default_bridges = 1` is in every configuration file, so it does not count as a wish. q35 then gets root ports
 * instead, because a board with bridges takes longer to start.
 */
function portsOf({ bridges, pcieRootPorts }: HypervisorConfig, machineType: MachineType): HotplugPorts {
  switch (machineType) {
    case "q35":
      if (bridges > 1 || pcieRootPorts > 0) return { bridges, rootPorts: pcieRootPorts };
      return { bridges: 0, rootPorts: unaskedRootPorts };
    case "pc":
      // The root bus of this board supports hotplug.
      return { bridges: bridges > 1 ? bridges : 0, rootPorts: 0 };
    case "microvm":
      return { bridges: 0, rootPorts: 0 };
  }
}

/** Each port makes an emulated boot about 1 % slower. VMs that take no devices later have none (`takesDevices`). */
const unaskedRootPorts = 4;

/** Older configuration files use another word. */
function modeOf(cache: NonNullable<HypervisorConfig["sharing"]["virtioFsCache"]>) {
  return cache === "none" ? "never" : cache;
}
