/** How QEMU is to be used on this host: what is the same for every machine of a configuration. */
import type { HotplugPorts } from "../spec.ts";
import type { Accelerator, Firmware, MachineType, MonitorProtocol } from "./machine.ts";
import type { Properties } from "./option.ts";

export interface QemuDriverOptions {
  /** Of the program `qemu-system-x86_64`. */
  readonly path: string;
  /** File-sharing daemons; the first that exists is used. */
  readonly virtioFsDaemons: readonly string[];
  readonly accelerator: "auto" | Accelerator;
  /** Default `q35`. */
  readonly machineType?: MachineType;
  /** Of the board, beside ours, over which they win. */
  readonly machineProperties?: Properties;
  /** Of the CPU model, beside ours, over which they win. */
  readonly cpuFeatures?: Properties;
  /** Default: QEMU's small firmware that starts a kernel by its PVH entry. */
  readonly firmware?: Firmware;
  /** Where devices can be plugged in later, when the specification does not say; default nowhere. */
  readonly hotplugPorts?: HotplugPorts;
  /** On a host that is a guest itself, KVM's guests speak to their devices in the old way; default true. */
  readonly nestingChecks?: boolean;
  /** Devices reach the guest's memory through its IOMMU, those that can; default false. */
  readonly throughIommu?: boolean;
  readonly virtioFs?: VirtioFsOptions;
  /** Longest message of 9p (`msize`); default 512 KiB. */
  readonly messageBytes?: number;
  /** QEMU must not be root; default: it is not where that is possible. */
  readonly rootless?: boolean;
  /** The guest's kernel says everything, and its console and what QEMU says go to the log. */
  readonly debug?: boolean;
  /** Where the memory of a guest that panics is kept, for good; default nowhere. */
  readonly memoryDump?: MemoryDumpOptions;
  /** A second monitor in the machine's directory, for a person; default none. */
  readonly extraMonitor?: MonitorProtocol;
  /** Where the answer of the KVM probe is kept; default `/run/kumite`. */
  readonly cacheDirectory?: string;
}

export interface MemoryDumpOptions {
  /** Made when it is missing; a guest's is in a directory of its id. */
  readonly directory: string;
  /** The memory as the guest's programs see it, which takes far longer. */
  readonly paging: boolean;
}

export interface VirtioFsOptions {
  /** What the guest may keep of files that it has read; default: almost everything, looked after again at once. */
  readonly cache?: "never" | "metadata" | "auto" | "always";
  /** Requests under way at a time, a power of two; default QEMU's. */
  readonly queueSize?: number;
  /** Appended to the daemon's own. */
  readonly extraArguments?: readonly string[];
}
