/**
 * The configuration as the product uses it: every value decided, units in the names.
 * Pure: made of a checked document and of what the caller knows of the host.
 */
import type { accelerators, ConfigDocument, hypervisors } from "./schema.ts";

export type AcceleratorChoice = (typeof accelerators)[number];
export type HypervisorName = (typeof hypervisors)[number];

export interface Config {
  readonly hypervisor: HypervisorName;
  readonly qemu: QemuConfig;
  readonly agent: AgentConfig;
  /** Whether the seccomp profiles of containers hold in the guest. */
  readonly guestSeccomp: boolean;
  /** Debug lines in the logs. */
  readonly debug: boolean;
  /** What a reader of the file should know, e.g. values that were replaced. One sentence each. */
  readonly notices: readonly string[];
}

/** Paths are absolute and not looked at: the driver names the one that is missing. */
export interface QemuConfig {
  readonly path: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The first that exists is used. */
  readonly virtioFsDaemons: readonly string[];
  readonly accelerator: AcceleratorChoice;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly kernelParameters: readonly string[];
  readonly debug: boolean;
}

export interface AgentConfig {
  /** The guest's executable, for the driver that boots no kernel. */
  readonly path: string;
  /** Limit from the start of the VM to the agent's first answer. */
  readonly dialTimeoutMs: number;
  readonly debug: boolean;
}

/** What the defaults depend on. */
export interface ConfigSurroundings {
  readonly installRoot: string;
  /** CPUs that this process may use. */
  readonly hostCpus: number;
}

const defaultQemu = "/usr/bin/qemu-system-x86_64";
/** QEMU 7.2's own in Debian 12, the separate package after it. */
const defaultVirtioFsDaemons = ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"];
const defaultMemoryMiB = 2048;
const leastMemoryMiB = 256;
const defaultDialTimeoutMs = 45_000;

export function resolveConfig(document: ConfigDocument, surroundings: ConfigSurroundings): Config {
  const { installRoot } = surroundings;
  const qemu = document.hypervisor?.qemu ?? {};
  const agent = document.agent?.kata ?? {};
  const runtime = document.runtime ?? {};
  const notices: string[] = [];
  return {
    hypervisor: runtime.hypervisor ?? "qemu",
    qemu: {
      path: qemu.path ?? defaultQemu,
      kernel: qemu.kernel ?? `${installRoot}/vmlinux`,
      initrd: qemu.initrd ?? `${installRoot}/initrd.img`,
      virtioFsDaemons: qemu.virtio_fs_daemon === undefined ? defaultVirtioFsDaemons : [qemu.virtio_fs_daemon],
      accelerator: qemu.accelerator ?? "auto",
      vcpus: vcpusOf(qemu.default_vcpus, surroundings.hostCpus, notices),
      memoryMiB: memoryOf(qemu.default_memory, notices),
      kernelParameters: (qemu.kernel_params ?? "").split(/\s+/).filter((parameter) => parameter !== ""),
      debug: qemu.enable_debug ?? false,
    },
    agent: {
      path: `${installRoot}/agent`,
      dialTimeoutMs: (agent.dial_timeout ?? 0) * 1000 || defaultDialTimeoutMs,
      debug: agent.enable_debug ?? false,
    },
    guestSeccomp: !(runtime.disable_guest_seccomp ?? false),
    debug: runtime.enable_debug ?? false,
    notices,
  };
}

function vcpusOf(asked = 0, hostCpus: number, notices: string[]): number {
  if (asked === 0) return 1;
  if (asked > 0 && asked <= hostCpus) return asked;
  if (asked > 0)
    notices.push(`hypervisor.qemu.default_vcpus is ${asked}, the host has ${hostCpus}: ${hostCpus} are used`);
  return hostCpus;
}

function memoryOf(asked: number | undefined, notices: string[]): number {
  if (asked === undefined) return defaultMemoryMiB;
  if (asked >= leastMemoryMiB) return asked;
  notices.push(
    `hypervisor.qemu.default_memory is ${asked} MiB, less than ${leastMemoryMiB}: ${defaultMemoryMiB} MiB are used`,
  );
  return defaultMemoryMiB;
}
