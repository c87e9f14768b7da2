/**
 * Derives the VM's specification from the configuration, as far as the driver's capabilities allow. Names no driver.
 */
import { type AgentSession, agentGreeting } from "../agent-client/agent-session.ts";
import { type FirstCall, firstCallOf, type SandboxRequest } from "../agent-client/first-call.ts";
import type { ContainerName } from "../agent-client/renamed.ts";
import { type Config, type HypervisorConfig, hypervisorConfigOf } from "../config/config.ts";
import type { DriverCapabilities } from "../hypervisor/driver.ts";
import type { GuestFiles, MemoryBacking, VmSpec } from "../hypervisor/spec.ts";
import { dirName } from "../util/path.ts";
import { withDiskDefaults } from "./disk-defaults.ts";

/** What the configuration does not say about a VM. */
export interface VmRequest
  extends Pick<
    VmSpec,
    "id" | "directory" | "sharedDirectories" | "disks" | "scsiController" | "cgroups" | "memoryBacking" | "restoreFrom"
  > {
  /** Default: as configured. */
  readonly size?: BootSize;
  /**
   * Devices may be plugged in later, and memory more often. Without it the VM has free places only if the configuration
   * asks for them, because each makes an emulated boot about 1 % slower. Default true.
   */
  readonly takesDevices?: boolean;
  /**
   * The VM will be saved or is restored: if the guest's drivers are ours, it gets devices with little state. Default
   * false.
   */
  readonly smallState?: boolean;
  /** The guest may need rarely used drivers, so it gets the larger of our images. Default false. */
  readonly rareDrivers?: boolean;
  /** Added to those of the configuration. */
  readonly kernelParameters?: readonly string[];
  /** Replaces the configured limit for the agent's first answer. */
  readonly dialTimeoutMs?: number;
  /** Version of the agent in the restored memory, which is then not asked for it. */
  readonly agentVersion?: string | undefined;
  /** The session that the agent in the restored memory is in. */
  readonly agentSession?: AgentSession | undefined;
  /**
   * Sent ahead of the session with an agent whose version is known. It must be the first call that is made then.
   * Default: nothing is sent ahead.
   */
  readonly firstRequest?: SandboxRequest;
  /** The VM continues one that was at work; the host that had the session with its agent is gone. */
  readonly takesOver?: TakenOver;
}

export interface TakenOver {
  /** The token that the previous host left with the agent. */
  readonly token: Uint8Array;
  readonly container: ContainerName;
}

export interface BootSize {
  readonly vcpus: number;
  /** Used instead of `vcpus` if no vCPUs can be plugged in later. */
  readonly allVcpus: number;
  readonly memoryMiB: number;
  /** The VM may become larger while it runs. */
  readonly grows: boolean;
}

export function specOf(config: Config, request: VmRequest, capabilities: DriverCapabilities): VmSpec {
  const {
    kernelParameters = [],
    dialTimeoutMs: _ours,
    takesOver: _alsoOurs,
    agentVersion: _oursToo,
    firstRequest: _oursAsWell,
    agentSession,
    size,
    disks = [],
    rareDrivers = false,
    takesDevices = true,
    smallState = false,
    ...rest
  } = request;
  const machine = hypervisorConfigOf(config);
  return {
    ...sizeOf(machine, size, capabilities, memorySlotsOf(machine, takesDevices)),
    ...(capabilities.ownKernel ? hardwareOf(machine) : {}),
    ...(smallState && hasOwnKernel(config) ? { legacyDevices: true } : {}),
    ...(agentSession === undefined ? {} : { agentHears: agentGreeting() + (sentAheadOf(request)?.text ?? "") }),
    ...(takesDevices || asksForPlaces(machine) ? {} : { hotplugPorts: { bridges: 0, rootPorts: 0 } }),
    guest: guestOf(config, machine, rareDrivers),
    // The user's parameters come last, so that they win.
    kernelParameters: [...agentParameters(config), ...kernelParameters, ...machine.kernelParameters],
    ...rest,
    disks: disks.map((disk) => withDiskDefaults(machine, disk)),
  };
}

/** What is in the agent's channel after the greeting, if anything is. */
export function sentAheadOf({ agentSession, agentVersion, firstRequest }: VmRequest): FirstCall | undefined {
  if (agentSession === undefined || agentVersion === undefined || firstRequest === undefined) return undefined;
  return firstCallOf(agentSession, firstRequest);
}

/** One bridge is in every configuration file and does not count. virtio-mem is a device, and swap is a disk. */
function asksForPlaces({ bridges, pcieRootPorts, memory }: HypervisorConfig): boolean {
  return bridges > 1 || pcieRootPorts > 0 || memory.virtioMem || memory.guestSwap;
}

type SizeSpec = Pick<VmSpec, "vcpus" | "maxVcpus" | "memoryMiB" | "memoryGrowth">;

/** Each memory slot costs an emulated boot 650 000 instructions, nearly 1 % with the tuned kernel. */
const slotsAlone = 4;

/**
 * Without containers that join, a VM grows only when its own limit does. virtio-mem needs no slots, but QEMU requires
 * one.
 */
function memorySlotsOf({ memory, memorySlots, memorySlotsGiven }: HypervisorConfig, takesDevices: boolean): number {
  if (memorySlotsGiven) return memorySlots;
  if (memory.virtioMem) return 1;
  return takesDevices ? memorySlots : slotsAlone;
}

function sizeOf(
  machine: HypervisorConfig,
  size: BootSize | undefined,
  { hotplug }: DriverCapabilities,
  slots: number,
): SizeSpec {
  const { vcpus, memoryMiB } = size ?? machine;
  const grows = size?.grows ?? true;
  if (!grows || hotplug.length === 0) return { vcpus: size?.allVcpus ?? vcpus, memoryMiB };
  const { maxVcpus, maxMemoryMiB, memoryOffsetMiB, memory } = machine;
  const maxMiB = maxMemoryMiB + memoryOffsetMiB;
  const by = memory.virtioMem ? "virtio-mem" : "dimm";
  return {
    vcpus,
    maxVcpus: Math.max(vcpus, maxVcpus),
    memoryMiB,
    ...(maxMiB > memoryMiB ? { memoryGrowth: { maxMiB, slots, by } } : {}),
  };
}

function hardwareOf(machine: HypervisorConfig): Partial<VmSpec> {
  const { memory, entropySource, iommu } = machine;
  const backing = backingOf(machine);
  return {
    ...(backing === undefined ? {} : { memoryBacking: backing }),
    memoryLocked: memory.locked,
    ...(entropySource === "" ? {} : { entropySource }),
    reclaimsFreeMemory: memory.reclaimFreed,
    iommu,
  };
}

function backingOf({ memory, sharing }: HypervisorConfig): MemoryBacking | undefined {
  const preallocated = memory.prealloc;
  if (memory.hugePages) return { kind: "hugepages", shared: true };
  if (memory.fileBackend !== undefined) return { kind: "file", path: memory.fileBackend, shared: true, preallocated };
  if (!preallocated) return undefined;
  return sharing.fileSystem === "virtio-fs"
    ? { kind: "memfd", shared: true, preallocated }
    : { kind: "ram", preallocated };
}

function guestOf({ agent }: Config, machine: HypervisorConfig, rareDrivers: boolean): GuestFiles {
  const { kernel, initrd, image, rootfsType, block, verity } = machine;
  const files = { kernel, agent: agent.path };
  if (image === undefined) {
    if (initrd === undefined) return files;
    return { ...files, initrd: rareDrivers ? fullInitrd(initrd, dirName(agent.path)) : initrd };
  }
  const bus = block.imageAsNvdimm ? "nvdimm" : "virtio-blk";
  return {
    ...files,
    image: { path: image, fileSystem: rootfsType, bus, ...(verity === undefined ? {} : { verity }) },
  };
}

/** The kernel was built by us from either source, so its drivers are known. */
export function hasOwnKernel(config: Config): boolean {
  const { kernel } = hypervisorConfigOf(config);
  return ["vmlinux", "vmlinux-debian"].some((name) => kernel === `${config.installRoot}/${name}`);
}

/** Our initrd has a larger variant next to it; any other initrd is used as it is. */
function fullInitrd(initrd: string, installRoot: string): string {
  const own = ["initrd", "initrd-debian"].find((name) => initrd === `${installRoot}/${name}.img`);
  return own === undefined ? initrd : `${installRoot}/${own}-full.img`;
}

function agentParameters({ agent }: Config): string[] {
  return [
    ...(agent.debug ? ["agent.log=debug"] : []),
    ...(agent.debugConsole ? ["agent.debug_console", `agent.debug_console_vport=${debugConsolePort}`] : []),
    ...(agent.containerPipeBytes > 0 ? [`agent.container_pipe_size=${agent.containerPipeBytes}`] : []),
  ];
}

/** The port on which the guest's debug shell listens, as in Kata Containers. */
const debugConsolePort = 1026;
