/** Brings a hypervisor's numbers into their limits, and applies keys that affect other keys. Pure. */
import type { ConfigSurroundings } from "./config.ts";
import type { EffectiveHypervisor } from "./effective.ts";
import type { ConfigEra, HypervisorTable } from "./key.ts";
import { type Report, rank } from "./problem.ts";
import type { Settings } from "./settings.ts";

export interface ClampContext {
  readonly table: HypervisorTable;
  readonly era: ConfigEra;
  readonly settings: Settings;
  readonly surroundings: ConfigSurroundings;
  readonly report: Report;
}

const defaultMemoryMiB = 2048;
/** The most that QEMU's boards support. */
export const mostVcpus = 240;
/** Stands for the host's memory if that is unknown. */
const unknownMemoryMiB = 16 * 1024 * 1024;

export function clampHypervisor(values: EffectiveHypervisor, context: ClampContext): EffectiveHypervisor {
  const { table, era, surroundings, settings, report } = context;
  const name = `hypervisor.${table}`;
  const tell = (key: string, reason: string): void =>
    report({
      severity: "notice",
      origin: settings.origin(name, key),
      key: `${name}.${key}`,
      reason: `${name}.${reason}`,
    });
  const hostMemoryMiB = surroundings.hostMemoryMiB ?? unknownMemoryMiB;
  const clamped: EffectiveHypervisor = {
    ...values,
    default_vcpus: vcpus(values.default_vcpus, surroundings.hostCpus, tell),
    default_maxvcpus: maxVcpus(values.default_maxvcpus, surroundings.hostCpus),
    default_memory: memory(values.default_memory, era === "3.x" ? 256 : 8, tell),
    default_maxmemory: atMost(values.default_maxmemory || hostMemoryMiB, hostMemoryMiB),
    memory_slots: values.memory_slots || 10,
    default_bridges: atMost(values.default_bridges || 1, 5),
    msize_9p: values.msize_9p || 8192,
    virtio_fs_queue_size: values.virtio_fs_queue_size || 1024,
    pcie_root_port: atMost(values.pcie_root_port, 16),
    pcie_switch_port: atMost(values.pcie_switch_port, 16),
    hypervisor_loglevel: atMost(values.hypervisor_loglevel || 1, 3),
    machine_accelerators: commas(values.machine_accelerators),
    cpu_features: commas(values.cpu_features),
    rootfs_type: values.rootfs_type,
    ...bursts(values, tell),
    disable_image_nvdimm: values.disable_image_nvdimm || values.machine_type === "microvm" || table === "clh",
    ...(table === "qemu" ? {} : forcedOutsideOfQemu(values, table, context)),
  };
  return table === "qemu" ? { ...clamped, use_vsock: qemuVsock(clamped.use_vsock, context, tell) } : clamped;
}

type Tell = (key: string, reason: string) => void;

function vcpus(asked: number, hostCpus: number, tell: Tell): number {
  if (asked === 0) return 1;
  if (asked > 0 && asked <= hostCpus) return asked;
  if (asked > 0) {
    tell("default_vcpus", `default_vcpus is ${asked}, but the host has ${hostCpus} CPUs: ${hostCpus} are used`);
  }
  return hostCpus;
}

function maxVcpus(asked: number, hostCpus: number): number {
  return Math.min(asked === 0 || asked >= hostCpus ? hostCpus : asked, mostVcpus);
}

function memory(askedMiB: number, leastMiB: number, tell: Tell): number {
  if (askedMiB >= leastMiB) return askedMiB;
  tell(
    "default_memory",
    `default_memory is ${askedMiB} MiB, less than ${leastMiB} MiB: ${defaultMemoryMiB} MiB are used`,
  );
  return defaultMemoryMiB;
}

function atMost(value: number, limit: number): number {
  return Math.min(value, limit);
}

function commas(text: string): string {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .join(",");
}

const limiters = [
  "disk_rate_limiter_bw",
  "disk_rate_limiter_ops",
  "net_rate_limiter_bw",
  "net_rate_limiter_ops",
] as const;

/** A burst without a rate has no effect. */
function bursts(values: EffectiveHypervisor, tell: Tell): Partial<EffectiveHypervisor> {
  const changed: Record<string, number> = {};
  for (const limiter of limiters) {
    const burst = `${limiter}_one_time_burst` as const;
    if (values[burst] === 0 || values[`${limiter}_max_rate`] > 0) continue;
    tell(burst, `${burst} has no effect without ${limiter}_max_rate`);
    changed[burst] = 0;
  }
  return changed;
}

function forcedOutsideOfQemu(
  values: EffectiveHypervisor,
  table: "firecracker" | "clh",
  { era, surroundings, settings, report }: ClampContext,
): Partial<EffectiveHypervisor> {
  // The Firecracker of old releases needed the host's vsock device. Today's uses its own unix socket.
  if (table === "firecracker" && era !== "3.x" && surroundings.hasVsock === false) {
    const reason = "No vsock support, firecracker cannot be used";
    const origin = settings.tables.get("hypervisor.firecracker")?.() ?? { kind: "built-in" };
    report({ severity: "error", origin, key: "hypervisor.firecracker", reason, rank: rank.vsock });
  }
  const newFirecracker = table === "firecracker" && era === "3.x";
  return {
    use_vsock: true,
    // Release 1.6 does not force it for Firecracker.
    disable_vhost_net: table === "firecracker" && era !== "3.x" ? values.disable_vhost_net : true,
    ...(newFirecracker ? { disable_block_device_use: false, disable_guest_selinux: true } : {}),
  };
}

/** Old releases use a serial line if the host has no vsock. */
function qemuVsock(asked: boolean, { surroundings }: ClampContext, tell: Tell): boolean {
  if (!asked || surroundings.hasVsock === true) return asked;
  tell("use_vsock", "use_vsock is set, but the host has no /dev/vhost-vsock: a serial line is used");
  return false;
}
