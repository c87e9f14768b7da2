/**
 * The configuration as the product uses it: every value decided, units in the names.
 * Types alone; `resolve.ts` makes it. What a key means is in `keys/`.
 */
import type { ConfigEra, HypervisorTable, TableEntry, ValueOf } from "./key.ts";
import type { bootKeys } from "./keys/boot.ts";
import type { deviceKeys } from "./keys/devices.ts";
import type { factoryKeys } from "./keys/factory.ts";
import type { hypervisorNames, runtimeKeys } from "./keys/runtime.ts";
import type { storageKeys } from "./keys/storage.ts";
import type { VerityParameters } from "./verity.ts";

export type AcceleratorChoice = ValueOf<typeof bootKeys.accelerator>;
export type HypervisorName = (typeof hypervisorNames)[number];
export type MachineType = ValueOf<typeof bootKeys.machine_type>;
export type BlockDriver = ValueOf<typeof storageKeys.block_device_driver>;
export type SharedFileSystem = ValueOf<typeof storageKeys.shared_fs>;
export type VirtioFsCache = Exclude<ValueOf<typeof storageKeys.virtio_fs_cache>, "">;
export type VfioPort = ValueOf<typeof deviceKeys.hot_plug_vfio>;

export interface Config {
  /** Directory of everything that runs, absolute. */
  readonly installRoot: string;
  readonly era: ConfigEra;
  readonly hypervisor: HypervisorName;
  /** By the tables of these names; what is not the chosen hypervisor's has the defaults or what the files say. */
  readonly qemu: HypervisorConfig;
  readonly firecracker: HypervisorConfig;
  readonly clh: HypervisorConfig;
  readonly agent: AgentConfig;
  readonly runtime: RuntimeConfig;
  readonly factory: FactoryConfig;
  readonly proxy: ProxyConfig;
  readonly shim: ShimConfig;
  readonly netmon: NetmonConfig;
  /** Whether the seccomp profiles of containers hold in the guest. */
  readonly guestSeccomp: boolean;
  /** Debug lines in the logs. */
  readonly debug: boolean;
  /** The file that was read; `undefined` when there is none. */
  readonly file: string | undefined;
  /** What a reader of the file should know, e.g. values that were replaced. One sentence each, with its place. */
  readonly notices: readonly string[];
}

/** The chosen hypervisor's, that of QEMU under the process driver. */
export function hypervisorConfigOf(config: Config): HypervisorConfig {
  return config.hypervisor === "process" ? config.qemu : config[config.hypervisor];
}

/** Paths are absolute. Those that a file gave exist and are without symlinks; of the others the driver names one that is missing. */
export interface HypervisorConfig {
  readonly table: HypervisorTable;
  readonly path: string;
  readonly jailerPath: string | undefined;
  readonly kernel: string;
  /** One of these two is set. */
  readonly initrd: string | undefined;
  readonly image: string | undefined;
  readonly rootfsType: ValueOf<typeof bootKeys.rootfs_type>;
  /** Of `image`; `undefined`: it is taken as it is. */
  readonly verity: VerityParameters | undefined;
  /** `undefined`: the driver's choice. */
  readonly firmware: string | undefined;
  readonly firmwareVolume: string | undefined;
  readonly pflashes: readonly string[];
  readonly guestExtensionImages: readonly TableEntry[];
  /** Of the user; they come last, and before them what the host prescribes. */
  readonly kernelParameters: readonly string[];
  readonly machineType: MachineType;
  /** Properties separated by commas, without blanks. */
  readonly machineAccelerators: string;
  readonly cpuFeatures: string;
  readonly accelerator: AcceleratorChoice;
  /** `undefined`: as confined as can be. */
  readonly seccompSandbox: string | undefined;
  readonly nestingChecks: boolean;
  readonly iommu: boolean;
  readonly iommuPlatform: boolean;
  /** QEMU must not run as root. */
  readonly rootless: boolean;
  /** Directory in the guest; empty: none. */
  readonly guestHookPath: string;
  /** Of `defaultVcpus`, rounded up: what boots when no container asks for more. */
  readonly vcpus: number;
  /** May have a fraction. */
  readonly defaultVcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  readonly memorySlots: number;
  /** Somebody has said how many. */
  readonly memorySlotsGiven: boolean;
  readonly memoryOffsetMiB: number;
  readonly memory: MemoryConfig;
  readonly block: BlockConfig;
  readonly sharing: SharingConfig;
  /** The first that exists is used. */
  readonly virtioFsDaemons: readonly string[];
  readonly bridges: number;
  readonly pcieRootPorts: number;
  readonly pcieSwitchPorts: number;
  readonly hotPlugVfio: VfioPort;
  readonly coldPlugVfio: VfioPort;
  readonly vhostNet: boolean;
  readonly vsock: boolean;
  readonly entropySource: string;
  /** Bits per second; 0: no limit. */
  readonly receiveBitsPerS: number;
  readonly sendBitsPerS: number;
  readonly memoryDump: { readonly directory: string; readonly paging: boolean } | undefined;
  /** With `debug` only. */
  readonly extraMonitor: "hmp" | "qmp" | "qmp-pretty" | undefined;
  readonly debug: boolean;
}

export interface MemoryConfig {
  readonly prealloc: boolean;
  readonly hugePages: boolean;
  /** Locked into the host's memory. */
  readonly locked: boolean;
  /** Directory of the file that is the guest's memory. */
  readonly fileBackend: string | undefined;
  readonly virtioMem: boolean;
  readonly reclaimFreed: boolean;
  readonly guestSwap: boolean;
  readonly numaNodes: readonly string[] | undefined;
}

export interface BlockConfig {
  readonly driver: BlockDriver;
  /** Root file systems on block devices are shared as directories instead. */
  readonly disabled: boolean;
  /** `undefined`: the VMM's own. */
  readonly cache: { readonly direct: boolean; readonly noFlush: boolean } | undefined;
  readonly aio: ValueOf<typeof storageKeys.block_device_aio>;
  /** 0: the VMM's own. */
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly ioThread: boolean;
  readonly independentIoThreads: number;
  /** `image` as a memory device, where the board has them. */
  readonly imageAsNvdimm: boolean;
}

export interface SharingConfig {
  readonly fileSystem: SharedFileSystem;
  /** Of one message of 9p. */
  readonly msize9pBytes: number;
  /** `undefined`: what the driver thinks best. */
  readonly virtioFsCache: VirtioFsCache | undefined;
  /** 0: no window. */
  readonly daxWindowMiB: number;
  readonly virtioFsQueueSize: number;
  readonly virtioFsExtraArguments: readonly string[];
}

export interface AgentConfig {
  readonly kind: "kata" | "hyperstart";
  /** The guest's executable, for the driver that boots no kernel. */
  readonly path: string;
  /** Limit from the start of the VM to the agent's first answer. */
  readonly dialTimeoutMs: number;
  readonly debug: boolean;
  readonly debugConsole: boolean;
  /** Each with its parameters, as modprobe(8) has them. */
  readonly kernelModules: readonly { readonly name: string; readonly parameters: readonly string[] }[];
  /** 0: the guest's default. */
  readonly containerPipeBytes: number;
}

export interface RuntimeConfig {
  readonly rootfsWrites: ValueOf<typeof runtimeKeys.rootfs_writes>;
  readonly rootfsBlockDevices: ValueOf<typeof runtimeKeys.rootfs_block_devices>;
  readonly rootfsImages: RootfsImagesConfig;
  /** `default` is resolved. */
  readonly networkModel: Exclude<ValueOf<typeof runtimeKeys.internetworking_model>, "default">;
  /** The machine stays in the host's network namespace. */
  readonly hostNetwork: boolean;
  readonly sandboxCgroupOnly: boolean;
  readonly staticResources: boolean;
  readonly vcpuPinning: boolean;
  readonly sandboxBindMounts: readonly { readonly path: string; readonly readOnly: boolean }[];
  readonly guestEmptyDirs: boolean;
  readonly emptyDirMode: ValueOf<typeof runtimeKeys.emptydir_mode>;
  readonly agentPidNamespace: boolean;
  readonly createContainerTimeoutMs: number;
  readonly kubeletRoot: string;
}

/** Where layers of root file systems are. */
export interface RootfsImagesConfig {
  readonly imageDirectory: string;
  readonly imageLimitMiB: number;
  readonly upperDirectory: string;
  readonly upperMiB: number;
}

export interface FactoryConfig {
  readonly template: boolean | "auto";
  readonly templatePath: string;
  readonly templateScope: ValueOf<typeof factoryKeys.template_scope>;
  /** Of all templates together. */
  readonly templateLimitMiB: number;
  /** 0: no cache. */
  readonly cacheNumber: number;
  readonly cacheEndpoint: string;
}

/** Who multiplexes the agent's channel in the older architecture; Kumite does it in the shim. */
export interface ProxyConfig {
  readonly kind: "none" | "built-in";
  readonly path: string;
  readonly debug: boolean;
}

export interface ShimConfig {
  readonly path: string;
  readonly debug: boolean;
  readonly tracing: boolean;
}

export interface NetmonConfig {
  readonly enabled: boolean;
  readonly path: string;
  readonly debug: boolean;
}

/** What the defaults depend on. */
export interface ConfigSurroundings {
  readonly installRoot: string;
  /** CPUs that this process may use. */
  readonly hostCpus: number;
  /** Default: enough. */
  readonly hostMemoryMiB?: number;
  /** The file-sharing daemon that is there. */
  readonly virtioFsDaemon?: string;
  /** The host is one where only approved cryptography may be used (FIPS 140); default not. */
  readonly fips?: boolean;
  /** Whether the host can give machines vsock devices; default false. */
  readonly hasVsock?: boolean;
}

export { resolveConfig } from "./resolve.ts";
