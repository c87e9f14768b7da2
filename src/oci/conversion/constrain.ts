/**
 * A specification without what an agent that is not ours must not get: it would do it in the guest a second time, or take
 * a path of the host for one of the guest. Pure. Ours gets more, see `sandbox/guest-spec.ts`.
 */
import type { OciLinux, OciMount, OciProcess, OciSpec } from "../spec.ts";

export interface ConstrainOptions {
  /** `disable_guest_seccomp`. */
  readonly disableGuestSeccomp: boolean;
  /** As the agent says of itself. */
  readonly agentHasSeccomp: boolean;
  /** Size of the sandbox's /dev/shm in bytes; 0: the container gets one of its own. */
  readonly shmBytes: number;
  /** Devices of the host are driven by the guest's kernel, not by programs in the container. */
  readonly vfioByGuestKernel: boolean;
}

export interface Constrained {
  readonly spec: OciSpec;
  /** The container lives in the pid namespace of its sandbox. */
  readonly sharesPidNamespace: boolean;
}

const sandboxShm = "/run/kata-containers/sandbox/shm";
/** They are the host's affair. */
const hostNamespaces = ["cgroup", "network", "time"];

export function constrainSpec(spec: OciSpec, options: ConstrainOptions): Constrained {
  const { hooks: _hooks, process, linux, mounts, ...rest } = spec;
  const pid = linux?.namespaces?.find(({ type }) => type === "pid");
  return {
    sharesPidNamespace: pid?.path !== undefined && pid.path !== "",
    spec: {
      ...rest,
      ...(process !== undefined && { process: withoutLabel(process) }),
      ...(linux !== undefined && { linux: constrainLinux(linux, options) }),
      ...(mounts !== undefined && { mounts: mounts.map((mount) => shmOfSandbox(mount, options.shmBytes)) }),
    },
  };
}

function withoutLabel({ selinuxLabel: _label, ...process }: OciProcess): OciProcess {
  return process;
}

function constrainLinux(linux: OciLinux, options: ConstrainOptions): OciLinux {
  const { seccomp, resources = {}, namespaces = [], devices, cgroupsPath, mountLabel: _label, ...rest } = linux;
  const {
    devices: _rules,
    pids: _pids,
    blockIO: _io,
    network: _net,
    hugepageLimits: _huge,
    cpu,
    ...limits
  } = resources;
  const { cpus: _cpus, mems: _mems, ...cpuLimits } = cpu ?? {};
  const kept = devices?.filter(({ path, type }) => !(options.vfioByGuestKernel && isVfio(path, type)));
  const filtered = !options.disableGuestSeccomp && options.agentHasSeccomp && seccomp !== undefined;
  return {
    ...rest,
    namespaces: namespaces
      .filter(({ type }) => type !== "pid" && !hostNamespaces.includes(type))
      .map(({ type }) => ({ type })),
    resources: { ...limits, ...(cpu !== undefined && { cpu: cpuLimits }) },
    ...(kept !== undefined && { devices: kept }),
    ...(cgroupsPath !== undefined && { cgroupsPath: plainCgroup(cgroupsPath) }),
    ...(filtered && { seccomp }),
  };
}

function isVfio(path: string, type: string): boolean {
  return type === "c" && path.startsWith("/dev/vfio/");
}

/** `slice:prefix:name` of systemd is `/prefix/name`: there is no systemd to ask. */
function plainCgroup(path: string): string {
  const [slice = "", prefix = "", name, ...more] = path.split(":");
  return name !== undefined && more.length === 0 && slice.endsWith(".slice") ? `/${prefix}/${name}` : path;
}

function shmOfSandbox(mount: OciMount, shmBytes: number): OciMount {
  if (mount.destination !== "/dev/shm" || mount.type === "ephemeral") return mount;
  const { destination } = mount;
  if (shmBytes > 0) return { destination, type: "bind", source: sandboxShm, options: ["rbind"] };
  const options = ["noexec", "nosuid", "nodev", "mode=1777", `size=${64 * 1024 * 1024}`];
  return { destination, type: "tmpfs", source: "shm", options };
}
