/**
 * The configuration as the product uses it: every value decided, units in the names. Types only; `resolve.ts` creates
 * the values. What a key means is in `keys/`.
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
  /** Directory of all installed programs, absolute. */
  readonly installRoot: string;
  readonly era: ConfigEra;
  readonly hypervisor: HypervisorName;
  /** By table. The tables of hypervisors that are not chosen have their defaults or the files' values. */
  readonly qemu: HypervisorConfig;
  readonly firecracker: HypervisorConfig;
  readonly clh: HypervisorConfig;
  readonly agent: AgentConfig;
  readonly runtime: RuntimeConfig;
  readonly factory: FactoryConfig;
  readonly proxy: ProxyConfig;
  readonly shim: ShimConfig;
  readonly netmon: NetmonConfig;
  /** Whether the guest applies the seccomp profiles of containers. */
  readonly guestSeccomp: boolean;
  /** Debug lines in the logs. */
  readonly debug: boolean;
  /** The file that was read; `undefined` if there is none. */
  readonly file: string | undefined;
  /** Notes for the author of the file, e.g. replaced values. One sentence each, with its place. */
  readonly notices: readonly string[];
}

/** The table of the chosen hypervisor. The process driver uses QEMU's. */
export function hypervisorConfigOf(config: Config): HypervisorConfig {
  return config.hypervisor === "process" ? config.qemu : config[config.hypervisor];
}

/**
 * Paths are absolute. Paths from a file exist and have their symlinks resolved. Other paths are defaults; the driver
 * reports a missing one.
 */
export interface HypervisorConfig {
  readonly table: HypervisorTable;
  readonly path: string;
  readonly jailerPath: string | undefined;
  readonly kernel: string;
  /** One of these two is set. */
  readonly initrd: string | undefined;
  readonly image: string | undefined;
  readonly rootfsType: ValueOf<typeof bootKeys.rootfs_type>;
  /** For `image`; `undefined`: the image is not verified. */
  readonly verity: VerityParameters | undefined;
  /** `undefined`: the driver's choice. */
  readonly firmware: string | undefined;
  readonly firmwareVolume: string | undefined;
  readonly pflashes: readonly string[];
  readonly guestExtensionImages: readonly TableEntry[];
  /** The user's parameters. They come last, after those that the host prescribes. */
  readonly kernelParameters: readonly string[];
  readonly machineType: MachineType;
  /** Properties separated by commas, without blanks. */
  readonly machineAccelerators: string;
  readonly cpuFeatures: string;
  readonly accelerator: AcceleratorChoice;
  /** `undefined`: confined as far as possible. */
  readonly seccompSandbox: string | undefined;
  readonly nestingChecks: boolean;
  readonly iommu: boolean;
  readonly iommuPlatform: boolean;
  /** QEMU must not run as root. */
  readonly rootless: boolean;
  /** Directory in the guest; empty: none. */
  readonly guestHookPath: string;
  /** `defaultVcpus` rounded up: what the VM boots with if no container asks for more. */
  readonly vcpus: number;
  /** May have a fraction. */
  readonly defaultVcpus: number;
  readonly maxVcpus: number;
  readonly memoryMiB: number;
  readonly maxMemoryMiB: number;
  readonly memorySlots: number;
  /** Whether a file, an annotation or the command line sets the number. */
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
  /** Only together with `debug`. */
  readonly extraMonitor: "hmp" | "qmp" | "qmp-pretty" | undefined;
  readonly debug: boolean;
}

export interface MemoryConfig {
  readonly prealloc: boolean;
  readonly hugePages: boolean;
  /** Locked into the host's memory. */
  readonly locked: boolean;
  /** Directory of the file that backs the guest's memory. */
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
  /** `undefined`: the VMM's default. */
  readonly cache: { readonly direct: boolean; readonly noFlush: boolean } | undefined;
  readonly aio: ValueOf<typeof storageKeys.block_device_aio>;
  /** 0: the VMM's default. */
  readonly logicalSectorBytes: number;
  readonly physicalSectorBytes: number;
  readonly ioThread: boolean;
  readonly independentIoThreads: number;
  /** `image` is attached as a memory device (NVDIMM), if the board has them. */
  readonly imageAsNvdimm: boolean;
}

export interface SharingConfig {
  readonly fileSystem: SharedFileSystem;
  /** Largest 9p message. */
  readonly msize9pBytes: number;
  /** `undefined`: the driver's choice. */
  readonly virtioFsCache: VirtioFsCache | undefined;
  /** 0: no window. */
  readonly daxWindowMiB: number;
  readonly virtioFsQueueSize: number;
  readonly virtioFsExtraArguments: readonly string[];
}

export interface AgentConfig {
  readonly kind: "kata" | "hyperstart";
  /** The guest agent's executable, for the process driver, which boots no kernel. */
  readonly path: string;
  /** Time from the start of the VM to the agent's first answer. */
  readonly dialTimeoutMs: number;
  readonly debug: boolean;
  readonly debugConsole: boolean;
  /** Each with its parameters, in the form of modprobe(8). */
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
  /** The VM stays in the host's network namespace. */
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

/** Directories and sizes for the layers of root file systems. */
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

/** The process that multiplexes the agent's channel in Kata's older architecture. Kumite's shim does this itself. */
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

/** Facts about the host on which the defaults depend. */
export interface ConfigSurroundings {
  readonly installRoot: string;
  /** CPUs that this process may use. */
  readonly hostCpus: number;
  /** Default: unlimited. */
  readonly hostMemoryMiB?: number;
  /** Default: none. */
  readonly hostSwapMiB?: number;
  /** Path of an installed virtiofsd. */
  readonly virtioFsDaemon?: string;
  /** Whether the host allows only approved cryptography (FIPS 140); default false. */
  readonly fips?: boolean;
  /** Whether the host can give VMs vsock devices; default false. */
  readonly hasVsock?: boolean;
}

export { resolveConfig } from "./resolve.ts";
