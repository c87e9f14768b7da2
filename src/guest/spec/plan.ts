/**
 * The plan of a container: the OCI specification after reading, with every name translated to what the kernel takes and
 * nothing left to interpret. Types only.
 */
import type { SeccompFilter } from "../../seccomp/filter.ts";
import type { SchedulerAttributes } from "../../sys/linux/scheduling.ts";

export interface ContainerPlan {
  readonly rootfs: RootfsPlan;
  readonly namespaces: NamespacePlan;
  readonly hostname: string | undefined;
  readonly domainname: string | undefined;
  /** In the order of mounting. */
  readonly mounts: readonly MountPlan[];
  readonly devices: readonly DevicePlan[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** Names, as paths below /proc/sys, and values. */
  readonly sysctl: readonly (readonly [name: string, value: string])[];
  readonly cgroup: CgroupPlan;
  /** Personality of all processes of the container, as for personality(2). */
  readonly personality: number | undefined;
  /** Whether all its processes share a session keyring of their own; otherwise they keep the agent's. */
  readonly ownKeyring: boolean;
  readonly process: ProcessPlan;
  readonly hooks: HooksPlan;
  /** Settings that are accepted but not applied: one phrase each, for the log. */
  readonly notApplied: readonly string[];
}

export interface HooksPlan {
  /** Run when all mounts are made, before the root file system is entered; paths are the guest's. */
  readonly createContainer: readonly HookPlan[];
  /** Run as the last thing before the program, with its user and privileges; paths are the container's. */
  readonly startContainer: readonly HookPlan[];
  /** The state that the hooks get, without `status` and `pid`. */
  readonly state: {
    readonly ociVersion: string;
    readonly id: string;
    readonly bundle: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

export interface HookPlan {
  /** Position in the specification, for example `hooks.startContainer[0]`. */
  readonly key: string;
  readonly path: string;
  /** At least one. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** `undefined`: no limit. */
  readonly timeoutMs: number | undefined;
}

export interface RootfsPlan {
  /** Absolute, in the guest. */
  readonly path: string;
  readonly readonly: boolean;
  readonly propagation: Propagation;
}

/** MS_* propagation flags, with MS_REC if they apply to the whole tree. */
export type Propagation = number;

export interface NamespacePlan {
  /** CLONE_NEW* flags of the namespaces to create; the mount namespace is always among them. */
  readonly create: number;
  readonly join: readonly NamespaceJoin[];
  /** CLONE_NEW* flags of the requested namespaces that the sandbox has once for all its containers. */
  readonly shared: number;
  /** The container's own user namespace; `undefined`: the agent's. */
  readonly user: UserNamespacePlan | undefined;
  /** Offsets of a new time namespace. */
  readonly timeOffsets: readonly TimeOffset[];
}

/** Both map the id 0. */
export interface UserNamespacePlan {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** Maps `size` ids from `inside` on to the ids from `outside` on in the agent's namespace. */
export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** How far a clock is ahead of the VM's. */
export interface TimeOffset {
  /** CLOCK_* number. */
  readonly clock: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface NamespaceJoin {
  /** Name in the specification, for example `network`. */
  readonly name: string;
  /** CLONE_NEW* flag. */
  readonly flag: number;
  /** Absolute, in the guest. */
  readonly path: string;
}

export type MountPlan = BindMountPlan | NewMountPlan | RemountPlan | SymlinkPlan;

interface MountPlanBase {
  /** Absolute, inside the container. */
  readonly destination: string;
  /** Attributes of the mount itself. */
  readonly attributes: AttributeChange;
  /** Attributes of the mount and everything below it. */
  readonly recursiveAttributes: AttributeChange;
  /** Applied in order. */
  readonly propagation: readonly Propagation[];
}

export interface BindMountPlan extends MountPlanBase {
  readonly kind: "bind";
  /** Absolute, in the guest. */
  readonly source: string;
  /** Includes the mounts below the source. */
  readonly recursive: boolean;
}

export interface NewMountPlan extends MountPlanBase {
  readonly kind: "new";
  readonly fstype: string;
  readonly source: string;
  readonly parameters: readonly FsParameter[];
  /** Begin with a copy of the content of the destination. */
  readonly copyUp: boolean;
}

/** Changes the attributes of an existing mount, and the parameters of its file system. */
export interface RemountPlan extends MountPlanBase {
  readonly kind: "remount";
  readonly parameters: readonly FsParameter[];
}

/** Not a mount, but a symlink of the host with its text, created in the place and order of a mount. */
export interface SymlinkPlan {
  readonly kind: "symlink";
  /** Absolute, inside the container. */
  readonly destination: string;
  /** The text of the symlink, which is resolved in the container. */
  readonly text: string;
}

/** MOUNT_ATTR_* flags to set and to clear, as for mount_setattr(2). */
export interface AttributeChange {
  readonly set: number;
  readonly clear: number;
}

/** One parameter of a file system: `key=value`, or a flag. */
export interface FsParameter {
  readonly key: string;
  readonly value: string | undefined;
}

export interface DevicePlan {
  /** Absolute, inside the container. */
  readonly path: string;
  readonly kind: "character" | "block" | "fifo";
  readonly major: number;
  readonly minor: number;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface CgroupPlan {
  /** Below the root of the hierarchy: normalized, with a leading slash, never the root itself. */
  readonly path: string;
  /** In the order of writing. */
  readonly settings: readonly CgroupSetting[];
  /** The user, by the agent's ids, who may create cgroups below; `undefined`: root. */
  readonly owner: number | undefined;
  /** In order: the last rule that matches a device and access decides. */
  readonly devices: readonly DeviceRule[];
}

export interface DeviceRule {
  readonly allow: boolean;
  readonly kind: "character" | "block" | "any";
  /** `undefined`: all numbers. */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** BPF_DEVCG_ACC_* flags. */
  readonly access: number;
}

export interface CgroupSetting {
  /** The key of the specification, for messages: `linux.resources.pids.limit`. */
  readonly key: string;
  /** File in the cgroup's directory, for example `pids.max`. */
  readonly file: string;
  readonly value: string;
  /** Written if `file` does not exist: a kernel has one or the other. */
  readonly instead?: { readonly file: string; readonly value: string };
  /** Set if a kernel without the file has nothing to limit there. */
  readonly optional?: true;
}

export interface ProcessPlan {
  /** `undefined`: pipes. */
  readonly terminal: TerminalPlan | undefined;
  /** At least one. */
  readonly args: readonly string[];
  /** `NAME=value` each. */
  readonly env: readonly string[];
  /** Absolute, inside the container. */
  readonly cwd: string;
  readonly user: UserPlan;
  readonly capabilities: CapabilitySets;
  readonly noNewPrivileges: boolean;
  /** The container's filter; not part of `process` in the specification. */
  readonly seccomp?: SeccompFilter | undefined;
  readonly rlimits: readonly RlimitPlan[];
  /** `undefined`: keeps the inherited value. */
  readonly oomScoreAdj: number | undefined;
  readonly scheduler: SchedulerAttributes | undefined;
  readonly ioPriority: IoPriorityPlan | undefined;
  /** CPUs that an exec process is bound to; the first process has those of its cgroup. */
  readonly affinity: readonly number[] | undefined;
}

export interface IoPriorityPlan {
  /** IOPRIO_CLASS_* number. */
  readonly class: number;
  /** 0 is the highest, 7 the lowest. */
  readonly level: number;
}

export interface TerminalPlan {
  /** 0: not known yet. */
  readonly rows: number;
  readonly columns: number;
}

export interface UserPlan {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly umask: number;
}

/** Masks with one bit per capability number. */
export interface CapabilitySets {
  readonly bounding: bigint;
  readonly effective: bigint;
  readonly inheritable: bigint;
  readonly permitted: bigint;
  readonly ambient: bigint;
}

export interface RlimitPlan {
  /** Name in the specification, for example `RLIMIT_NOFILE`. */
  readonly name: string;
  /** RLIMIT_* number. */
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}
