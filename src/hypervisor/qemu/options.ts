/** How QEMU is used on this host: the options that all VMs of a configuration share. */
import type { HotplugPorts } from "../spec.ts";
import type { Accelerator, Firmware, MachineType, MonitorProtocol } from "./machine.ts";
import type { Properties } from "./option.ts";

export interface QemuDriverOptions {
  /** Path of the program `qemu-system-x86_64`. */
  readonly path: string;
  /** Paths of virtiofsd; the first that exists is used. */
  readonly virtioFsDaemons: readonly string[];
  readonly accelerator: "auto" | Accelerator;
  /** Default `q35`. */
  readonly machineType?: MachineType;
  /** Further properties of the board, which override ours. */
  readonly machineProperties?: Properties;
  /** Further properties of the CPU model, which override ours. */
  readonly cpuFeatures?: Properties;
  /** Default: QEMU's small firmware that starts a kernel by its PVH entry. */
  readonly firmware?: Firmware;
  /** Places for hotplug if the specification has none; default none. */
  readonly hotplugPorts?: HotplugPorts;
  /** On a host that is itself a VM, KVM guests use the legacy interface of virtio; default true. */
  readonly nestingChecks?: boolean;
  /** Virtio devices access memory through the guest's IOMMU if they can; default false. */
  readonly throughIommu?: boolean;
  readonly virtioFs?: VirtioFsOptions;
  /** Maximum message size of 9p (`msize`); default 500 KiB. */
  readonly messageBytes?: number;
  /** QEMU must not run as root; default: it runs as another user if that is possible. */
  readonly rootless?: boolean;
  /** The guest's kernel logs everything, and its console and QEMU's output go to the log. */
  readonly debug?: boolean;
  /** Where the memory of a guest that panicked is kept permanently; default nowhere. */
  readonly memoryDump?: MemoryDumpOptions;
  /** A second monitor in the VM's directory, for a person; default none. */
  readonly extraMonitor?: MonitorProtocol;
  /** Where the result of the KVM probe is kept; default `/run/kumite`. */
  readonly cacheDirectory?: string;
}

export interface MemoryDumpOptions {
  /** Made if missing; each guest has a subdirectory named after its id. */
  readonly directory: string;
  /** Dumps memory as the guest's programs see it, which takes far longer. */
  readonly paging: boolean;
}

export interface VirtioFsOptions {
  /** What the guest caches; default: almost everything, but revalidated almost at once. */
  readonly cache?: "never" | "metadata" | "auto" | "always";
  /** Maximum number of concurrent requests, a power of two; default QEMU's. */
  readonly queueSize?: number;
  /** Appended to our own arguments for the daemon. */
  readonly extraArguments?: readonly string[];
}
