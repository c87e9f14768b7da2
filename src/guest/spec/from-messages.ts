/**
 * Converts the protocol's messages back to the OCI document that they were made from, so that one reader serves both
 * forms.
 * In a message, zero and empty mean "not given". Pure.
 */
import type * as oci from "../../protocol/gen/kata/oci.ts";

type Document = Record<string, unknown>;

export function specDocument(spec: oci.Spec): Document {
  return given({
    ociVersion: spec.Version,
    process: spec.Process && processDocument(spec.Process),
    root: spec.Root && { path: spec.Root.Path, readonly: spec.Root.Readonly },
    hostname: spec.Hostname,
    mounts: spec.Mounts.map(({ destination, source, type, options }) => ({ destination, source, type, options })),
    hooks: spec.Hooks && hooksDocument(spec.Hooks),
    annotations: Object.fromEntries(spec.Annotations),
    linux: spec.Linux && linuxDocument(spec.Linux),
  });
}

export function processDocument(process: oci.Process): Document {
  const { User, Capabilities, ConsoleSize } = process;
  return given({
    terminal: process.Terminal,
    consoleSize: ConsoleSize && { height: ConsoleSize.Height, width: ConsoleSize.Width },
    user: User && { uid: User.UID, gid: User.GID, additionalGids: User.AdditionalGids },
    args: process.Args,
    env: process.Env,
    cwd: process.Cwd,
    capabilities: Capabilities && {
      bounding: Capabilities.Bounding,
      effective: Capabilities.Effective,
      inheritable: Capabilities.Inheritable,
      permitted: Capabilities.Permitted,
      ambient: Capabilities.Ambient,
    },
    rlimits: process.Rlimits.map(({ Type, Hard, Soft }) => ({ type: Type, hard: Number(Hard), soft: Number(Soft) })),
    noNewPrivileges: process.NoNewPrivileges,
    apparmorProfile: process.ApparmorProfile,
    oomScoreAdj: zeroIsNone(process.OOMScoreAdj),
    selinuxLabel: process.SelinuxLabel,
  });
}

function linuxDocument(linux: oci.Linux): Document {
  // Some hosts remove the user namespace but leave its mappings.
  const hasUsers = linux.Namespaces.some(({ Type }) => Type === "user");
  const mappings = (list: readonly oci.LinuxIDMapping[]) =>
    (hasUsers ? list : []).map(({ HostID, ContainerID, Size }) => ({
      hostID: HostID,
      containerID: ContainerID,
      size: Size,
    }));
  return given({
    uidMappings: mappings(linux.UIDMappings),
    gidMappings: mappings(linux.GIDMappings),
    sysctl: Object.fromEntries(linux.Sysctl),
    resources: linux.Resources && resourcesDocument(linux.Resources),
    cgroupsPath: linux.CgroupsPath,
    namespaces: linux.Namespaces.map(({ Type, Path }) => ({ type: Type, path: Path })),
    devices: linux.Devices.map((device) =>
      given({
        path: device.Path,
        type: device.Type,
        major: Number(device.Major),
        minor: Number(device.Minor),
        fileMode: device.FileMode === 0 ? undefined : device.FileMode,
        uid: device.UID,
        gid: device.GID,
      }),
    ),
    seccomp: linux.Seccomp && seccompDocument(linux.Seccomp),
    // The reader checks only whether it is present.
    intelRdt: linux.IntelRdt && {},
    rootfsPropagation: linux.RootfsPropagation,
    maskedPaths: linux.MaskedPaths,
    readonlyPaths: linux.ReadonlyPaths,
    mountLabel: linux.MountLabel,
  });
}

function seccompDocument({ DefaultAction, Architectures, Flags, Syscalls }: oci.LinuxSeccomp): Document {
  return given({
    defaultAction: DefaultAction,
    architectures: Architectures,
    flags: Flags.length > 0 ? Flags : undefined,
    syscalls: Syscalls.map(({ Names, Action, errnoret, Args }) => ({
      names: Names,
      action: Action,
      errnoRet: errnoret === 0 ? undefined : errnoret,
      args: Args.map(({ Index, Value, ValueTwo, Op }) => ({
        index: Number(Index),
        value: Value,
        valueTwo: ValueTwo,
        op: Op,
      })),
    })),
  });
}

/**
 * The message cannot tell 0 from "all". No device has the major number 0. A minor number of 0 is read so that less is
 * allowed and more is refused.
 */
function deviceRuleDocument({ Allow, Type, Major, Minor, Access }: oci.LinuxDeviceCgroup): Document {
  const isAll = Minor === 0n && (Major === 0n || !Allow);
  const numbers = { major: zeroIsNone(Major), minor: isAll ? undefined : Number(Minor) };
  return given({ allow: Allow, type: Type, access: Access, ...numbers });
}

/** The document of `linux.resources`. */
export function resourcesDocument(resources: oci.LinuxResources): Document {
  const { Memory, CPU, Pids, BlockIO, Network } = resources;
  return given({
    devices: resources.Devices.map(deviceRuleDocument),
    memory:
      Memory &&
      given({
        limit: zeroIsNone(Memory.Limit),
        reservation: zeroIsNone(Memory.Reservation),
        swap: zeroIsNone(Memory.Swap),
        kernel: zeroIsNone(Memory.Kernel),
        kernelTCP: zeroIsNone(Memory.KernelTCP),
        swappiness: zeroIsNone(Memory.Swappiness),
        disableOOMKiller: Memory.DisableOOMKiller,
      }),
    cpu:
      CPU &&
      given({
        shares: zeroIsNone(CPU.Shares),
        quota: zeroIsNone(CPU.Quota),
        period: zeroIsNone(CPU.Period),
        realtimeRuntime: zeroIsNone(CPU.RealtimeRuntime),
        realtimePeriod: zeroIsNone(CPU.RealtimePeriod),
        cpus: CPU.Cpus,
        mems: CPU.Mems,
      }),
    pids: Pids && { limit: Number(Pids.Limit) },
    blockIO: BlockIO && blockIoDocument(BlockIO),
    hugepageLimits: resources.HugepageLimits.map(({ Pagesize, Limit }) => ({
      pageSize: Pagesize,
      limit: Number(Limit),
    })),
    network: Network && (Network.ClassID !== 0 || Network.Priorities.length > 0 ? {} : undefined),
  });
}

function blockIoDocument(io: oci.LinuxBlockIO): Document {
  const throttles = (devices: readonly oci.LinuxThrottleDevice[]) =>
    devices.map(({ Major, Minor, Rate }) => ({ major: Number(Major), minor: Number(Minor), rate: Number(Rate) }));
  return {
    weight: io.Weight,
    leafWeight: io.LeafWeight,
    weightDevice: io.WeightDevice.map(({ Major, Minor, Weight, LeafWeight }) => ({
      major: Number(Major),
      minor: Number(Minor),
      weight: Weight,
      leafWeight: LeafWeight,
    })),
    throttleReadBpsDevice: throttles(io.ThrottleReadBpsDevice),
    throttleWriteBpsDevice: throttles(io.ThrottleWriteBpsDevice),
    throttleReadIOPSDevice: throttles(io.ThrottleReadIOPSDevice),
    throttleWriteIOPSDevice: throttles(io.ThrottleWriteIOPSDevice),
  };
}

function hooksDocument(hooks: oci.Hooks): Document {
  const documents = (list: readonly oci.Hook[]) =>
    list.map(({ Path, Args, Env, Timeout }) =>
      given({ path: Path, args: Args, env: Env, timeout: zeroIsNone(Timeout) }),
    );
  return { createContainer: documents(hooks.CreateContainer), startContainer: documents(hooks.StartContainer) };
}

function zeroIsNone(value: bigint): number | undefined {
  return value === 0n ? undefined : Number(value);
}

/** Leaves out keys without a value. */
function given(document: Document): Document {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}
