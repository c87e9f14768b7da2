/** Converts keys with the names and units of files to the types that the product uses. Pure. */
import type {
  AgentConfig,
  BlockConfig,
  Config,
  ConfigSurroundings,
  FactoryConfig,
  HypervisorConfig,
  MemoryConfig,
  RuntimeConfig,
  SharingConfig,
} from "./config.ts";
import { type EffectiveConfig, type EffectiveHypervisor, effectiveConfig } from "./effective.ts";
import type { HypervisorTable, KeyTable, KeyValue } from "./key.ts";
import { type Problem, problemText } from "./problem.ts";
import { Settings } from "./settings.ts";
import { parseVerity } from "./verity.ts";

/** Keys as in a file, below the full names of their tables. */
export type ConfigDocument = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** A configuration without files, unchecked: for tests, and for programs that have their own configuration. */
export function resolveConfig(document: ConfigDocument, surroundings: ConfigSurroundings): Config {
  const settings = new Settings();
  const add = (table: string, keys: Readonly<Record<string, unknown>>): void => {
    settings.tables.set(table, () => ({ kind: "built-in" }));
    for (const [key, value] of Object.entries(keys)) {
      settings.set(table, key, { value: value as KeyValue, origin: () => ({ kind: "built-in" }) });
    }
  };
  for (const [name, content] of Object.entries(document)) {
    if (["hypervisor", "agent", "proxy", "shim"].includes(name)) {
      for (const [kind, keys] of Object.entries(content)) add(`${name}.${kind}`, keys as KeyTable);
    } else add(name, content);
  }
  const problems: Problem[] = [];
  const effective = effectiveConfig(settings, surroundings, (problem) => problems.push(problem));
  return configOf(effective, { settings, surroundings, file: undefined, problems });
}

export interface ResolvingContext {
  readonly settings: Settings;
  readonly surroundings: ConfigSurroundings;
  readonly file: string | undefined;
  readonly problems: readonly Problem[];
}

export function configOf(effective: EffectiveConfig, context: ResolvingContext): Config {
  const { runtime, hypervisors, proxy, shim, netmon, chosen } = effective;
  const hypervisor = (table: HypervisorTable) => hypervisorConfig(table, hypervisors[table], context);
  return {
    installRoot: context.surroundings.installRoot,
    era: effective.era,
    hypervisor: effective.hypervisor,
    qemu: hypervisor("qemu"),
    firecracker: hypervisor("firecracker"),
    clh: hypervisor("clh"),
    agent: agentConfig(effective, context),
    runtime: runtimeConfig(effective),
    factory: factoryConfig(effective),
    proxy: {
      kind: hypervisors[chosen].use_vsock ? "none" : "built-in",
      path: proxy.path,
      debug: proxy.enable_debug,
    },
    shim: { path: shim.path, debug: shim.enable_debug, tracing: shim.enable_tracing },
    netmon: { enabled: netmon.enable_netmon, path: netmon.path, debug: netmon.enable_debug },
    guestSeccomp: !runtime.disable_guest_seccomp,
    debug: runtime.enable_debug,
    file: context.file,
    notices: context.problems.filter(({ severity }) => severity !== "error").map(noticeText),
  };
}

function noticeText(problem: Problem): string {
  const { hint } = problem;
  return hint === undefined ? problemText(problem) : `${problemText(problem)}; ${hint}`;
}

/** The daemon of QEMU 7.2 in Debian 12, then that of the separate package in later releases. */
export const virtioFsDaemons = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];

function hypervisorConfig(
  table: HypervisorTable,
  values: EffectiveHypervisor,
  { settings, surroundings }: ResolvingContext,
): HypervisorConfig {
  const dump = values.guest_memory_dump_path;
  return {
    table,
    path: values.path,
    jailerPath: orNothing(values.jailer_path),
    kernel: values.kernel,
    initrd: orNothing(values.initrd),
    image: orNothing(values.image),
    rootfsType: values.rootfs_type,
    verity: verityOf(values.kernel_verity_params),
    firmware: orNothing(values.firmware),
    firmwareVolume: orNothing(values.firmware_volume),
    pflashes: values.pflashes,
    guestExtensionImages: values.guest_extension_images,
    // On a host in FIPS mode the guest runs in FIPS mode too.
    kernelParameters: [...(surroundings.fips === true ? ["fips=1"] : []), ...words(values.kernel_params)],
    machineType: values.machine_type,
    machineAccelerators: values.machine_accelerators,
    cpuFeatures: values.cpu_features,
    accelerator: values.accelerator,
    seccompSandbox: orNothing(values.seccompsandbox),
    nestingChecks: !values.disable_nesting_checks,
    iommu: values.enable_iommu,
    iommuPlatform: values.enable_iommu_platform,
    rootless: values.rootless,
    guestHookPath: values.guest_hook_path,
    vcpus: Math.ceil(values.default_vcpus),
    defaultVcpus: values.default_vcpus,
    maxVcpus: values.default_maxvcpus,
    memoryMiB: values.default_memory,
    maxMemoryMiB: values.default_maxmemory,
    memorySlots: values.memory_slots,
    memorySlotsGiven: settings.has(`hypervisor.${table}`, "memory_slots"),
    memoryOffsetMiB: values.memory_offset,
    memory: memoryConfig(values, settings.get(`hypervisor.${table}`, "enable_swap")?.value === false),
    block: blockConfig(values),
    sharing: sharingConfig(values),
    virtioFsDaemons: values.virtio_fs_daemon === "" ? virtioFsDaemons : [values.virtio_fs_daemon],
    bridges: values.default_bridges,
    pcieRootPorts: values.pcie_root_port,
    pcieSwitchPorts: values.pcie_switch_port,
    hotPlugVfio: values.hot_plug_vfio,
    coldPlugVfio: values.cold_plug_vfio,
    vhostNet: !values.disable_vhost_net,
    vsock: values.use_vsock,
    entropySource: values.entropy_source,
    receiveBitsPerS: values.rx_rate_limiter_max_rate,
    sendBitsPerS: values.tx_rate_limiter_max_rate,
    memoryDump: dump === "" ? undefined : { directory: dump, paging: values.guest_memory_dump_paging },
    extraMonitor: values.extra_monitor_socket === "" ? undefined : values.extra_monitor_socket,
    debug: values.enable_debug,
  };
}

function memoryConfig(values: EffectiveHypervisor, locked: boolean): MemoryConfig {
  return {
    prealloc: values.enable_mem_prealloc || values.enable_hugepages,
    hugePages: values.enable_hugepages,
    locked,
    fileBackend: orNothing(values.file_mem_backend),
    virtioMem: values.enable_virtio_mem,
    reclaimFreed: values.reclaim_guest_freed_memory,
    guestSwap: values.enable_guest_swap,
    numaNodes: values.enable_numa ? values.numa_mapping : undefined,
  };
}

function blockConfig(values: EffectiveHypervisor): BlockConfig {
  return {
    driver: values.block_device_driver,
    disabled: values.disable_block_device_use,
    cache: values.block_device_cache_set
      ? { direct: values.block_device_cache_direct, noFlush: values.block_device_cache_noflush }
      : undefined,
    aio: values.block_device_aio,
    logicalSectorBytes: values.block_device_logical_sector_size,
    physicalSectorBytes: values.block_device_physical_sector_size,
    ioThread: values.enable_iothreads,
    independentIoThreads: values.indep_iothreads,
    imageAsNvdimm: !values.disable_image_nvdimm,
  };
}

function sharingConfig(values: EffectiveHypervisor): SharingConfig {
  return {
    fileSystem: values.shared_fs,
    msize9pBytes: values.msize_9p,
    virtioFsCache: values.virtio_fs_cache === "" ? undefined : values.virtio_fs_cache,
    daxWindowMiB: values.virtio_fs_cache_size,
    virtioFsQueueSize: values.virtio_fs_queue_size,
    virtioFsExtraArguments: values.virtio_fs_extra_args,
  };
}

function agentConfig({ agent, agentTable }: EffectiveConfig, { surroundings }: ResolvingContext): AgentConfig {
  return {
    kind: agentTable === "agent.hyperstart" ? "hyperstart" : "kata",
    path: `${surroundings.installRoot}/agent`,
    dialTimeoutMs: agent.dial_timeout * 1000,
    debug: agent.enable_debug,
    debugConsole: agent.debug_console_enabled,
    kernelModules: agent.kernel_modules
      .map(words)
      .flatMap(([name, ...parameters]) => (name === undefined ? [] : [{ name, parameters }])),
    containerPipeBytes: agent.container_pipe_size,
  };
}

function runtimeConfig({ runtime, era }: EffectiveConfig): RuntimeConfig {
  const model = runtime.internetworking_model;
  return {
    rootfsWrites: runtime.rootfs_writes,
    rootfsBlockDevices: runtime.rootfs_block_devices,
    rootfsImages: {
      imageDirectory: runtime.rootfs_image_directory,
      imageLimitMiB: runtime.rootfs_image_limit,
      upperDirectory: runtime.rootfs_upper_directory,
      upperMiB: runtime.rootfs_upper_size,
    },
    networkModel: model === "default" ? (era === "3.x" ? "tcfilter" : "macvtap") : model,
    hostNetwork: runtime.disable_new_netns,
    sandboxCgroupOnly: runtime.sandbox_cgroup_only,
    staticResources: runtime.static_sandbox_resource_mgmt,
    vcpuPinning: runtime.enable_vcpus_pinning,
    sandboxBindMounts: runtime.sandbox_bind_mounts.map((mount) => ({
      path: mount.replace(/:r[ow]$/, ""),
      readOnly: !mount.endsWith(":rw"),
    })),
    guestEmptyDirs: !runtime.disable_guest_empty_dir,
    emptyDirMode: runtime.emptydir_mode,
    agentPidNamespace: runtime.enable_agent_pidns,
    createContainerTimeoutMs: runtime.create_container_timeout * 1000,
    kubeletRoot: runtime.kubelet_root_dir,
  };
}

function factoryConfig({ factory, runtime }: EffectiveConfig): FactoryConfig {
  const template = factory.enable_template;
  return {
    template: template !== "default" ? template : runtime.rootfs_writes === "guest" ? "auto" : false,
    templatePath: factory.template_path,
    templateScope: factory.template_scope,
    templateLimitMiB: factory.template_limit,
    cacheNumber: factory.vm_cache_number,
    cacheEndpoint: factory.vm_cache_endpoint,
  };
}

/** The checks have reported invalid parameters already. */
function verityOf(text: string): HypervisorConfig["verity"] {
  const parsed = parseVerity(text);
  return typeof parsed === "string" ? undefined : parsed;
}

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function orNothing(text: string): string | undefined {
  return text === "" ? undefined : text;
}
