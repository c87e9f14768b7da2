/**
 * What is to be made for a container: the OCI specification after reading, with every name turned into what the kernel
 * takes and nothing left to interpret. Types only.
 */
import type { SeccompFilter } from "../../seccomp/filter.ts";

export interface ContainerPlan {
  readonly rootfs: RootfsPlan;
  readonly namespaces: NamespacePlan;
  readonly hostname: string | undefined;
  readonly domainname: string | undefined;
  /** In the order they are to be mounted. */
  readonly mounts: readonly MountPlan[];
  readonly devices: readonly DevicePlan[];
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
  /** Names as paths below /proc/sys, and values. */
  readonly sysctl: readonly (readonly [name: string, value: string])[];
  readonly cgroup: CgroupPlan;
  /** Of every process of the container, as personality(2) takes it. */
  readonly personality: number | undefined;
  /** It gets a session keyring, which all its processes share; else they keep the agent's. */
  readonly ownKeyring: boolean;
  readonly process: ProcessPlan;
  readonly hooks: HooksPlan;
  /** What was asked for and is accepted, but not done: one phrase each, for the log. */
  readonly notApplied: readonly string[];
}

export interface HooksPlan {
  /** With all mounts made, before the root file system is entered: paths are the guest's. */
  readonly createContainer: readonly HookPlan[];
  /** As the last thing before the program, with its user and rights: paths are the container's. */
  readonly startContainer: readonly HookPlan[];
  /** What they are told, without `status` and `pid`. */
  readonly state: {
    readonly ociVersion: string;
    readonly id: string;
    readonly bundle: string;
    readonly annotations: Readonly<Record<string, string>>;
  };
}

export interface HookPlan {
  /** Its place in the specification, e.g. `hooks.startContainer[0]`. */
  readonly key: string;
  readonly path: string;
  /** At least one. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** `undefined`: none. */
  readonly timeoutMs: number | undefined;
}

export interface RootfsPlan {
  /** Absolute, in the guest. */
  readonly path: string;
  readonly readonly: boolean;
  readonly propagation: Propagation;
}

/** MS_* propagation bits, with MS_REC when it holds for the whole tree. */
export type Propagation = number;

export interface NamespacePlan {
  /** CLONE_NEW* of all that are made new; always has the mount namespace. */
  readonly create: number;
  readonly join: readonly NamespaceJoin[];
  /** CLONE_NEW* of those that it was asked to have and that are the sandbox's, for all its containers. */
  readonly shared: number;
  /** Of its own user namespace; `undefined`: the agent's. */
  readonly user: UserNamespacePlan | undefined;
  /** Of a new time namespace. */
  readonly timeOffsets: readonly TimeOffset[];
}

/** Both have an entry for the id 0. */
export interface UserNamespacePlan {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** `size` ids from `inside` on are `outside` and the following ones in the agent's namespace. */
export interface IdMapping {
  readonly inside: number;
  readonly outside: number;
  readonly size: number;
}

/** How far a clock is ahead of the machine's. */
export interface TimeOffset {
  /** CLOCK_* number. */
  readonly clock: number;
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface NamespaceJoin {
  /** As the specification calls it, e.g. `network`. */
  readonly name: string;
  /** CLONE_NEW*. */
  readonly flag: number;
  /** Absolute, in the guest. */
  readonly path: string;
}

export type MountPlan = BindMountPlan | NewMountPlan | RemountPlan | SymlinkPlan;

interface MountPlanBase {
  /** Absolute, inside the container. */
  readonly destination: string;
  /** Of the mount itself. */
  readonly attributes: AttributeChange;
  /** Of the mount and everything below it. */
  readonly recursiveAttributes: AttributeChange;
  /** Applied in order. */
  readonly propagation: readonly Propagation[];
}

export interface BindMountPlan extends MountPlanBase {
  readonly kind: "bind";
  /** Absolute, in the guest. */
  readonly source: string;
  /** With the mounts below the source. */
  readonly recursive: boolean;
}

export interface NewMountPlan extends MountPlanBase {
  readonly kind: "new";
  readonly fstype: string;
  readonly source: string;
  readonly parameters: readonly FsParameter[];
  /** Begins with a copy of what lies at the destination. */
  readonly copyUp: boolean;
}

/** New attributes for what is mounted at the destination already, and new parameters for its file system. */
export interface RemountPlan extends MountPlanBase {
  readonly kind: "remount";
  readonly parameters: readonly FsParameter[];
}

/** No mount: a link of the host, with its text, at a mount's place and in its turn. */
export interface SymlinkPlan {
  readonly kind: "symlink";
  /** Absolute, inside the container. */
  readonly destination: string;
  /** What the link says; whoever follows it finds it in the container. */
  readonly text: string;
}

/** MOUNT_ATTR_* to be set and cleared, as mount_setattr(2) takes them. */
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
  /** In the order they are to be written. */
  readonly settings: readonly CgroupSetting[];
  /** Who may make cgroups below it, by the agent's ids; `undefined`: root. */
  readonly owner: number | undefined;
  /** In order: of those about one device and access the last one counts. */
  readonly devices: readonly DeviceRule[];
}

export interface DeviceRule {
  readonly allow: boolean;
  readonly kind: "character" | "block" | "any";
  /** `undefined`: every number. */
  readonly major: number | undefined;
  readonly minor: number | undefined;
  /** BPF_DEVCG_ACC_* bits. */
  readonly access: number;
}

export interface CgroupSetting {
  /** What of the specification asks for it, for messages: `linux.resources.pids.limit`. */
  readonly key: string;
  /** File in the cgroup's directory, e.g. `pids.max`. */
  readonly file: string;
  readonly value: string;
  /** Written when that file is not there: kernels have one or the other. */
  readonly instead?: { readonly file: string; readonly value: string };
  /** A kernel that has no such file has nothing to limit there either. */
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
  /** Of the container; not a part of `process` in the specification. */
  readonly seccomp?: SeccompFilter | undefined;
  readonly rlimits: readonly RlimitPlan[];
  /** `undefined` leaves what is inherited. */
  readonly oomScoreAdj: number | undefined;
  readonly scheduler: SchedulerPlan | undefined;
  readonly ioPriority: IoPriorityPlan | undefined;
  /** Processors that a further process is held to; the first one has those of its cgroup. */
  readonly affinity: readonly number[] | undefined;
}

export interface SchedulerPlan {
  /** SCHED_* number. */
  readonly policy: number;
  /** SCHED_FLAG_* bits. */
  readonly flags: number;
  readonly nice: number;
  readonly priority: number;
  readonly runtimeNs: bigint;
  readonly deadlineNs: bigint;
  readonly periodNs: bigint;
}

export interface IoPriorityPlan {
  /** IOPRIO_CLASS_* number. */
  readonly class: number;
  /** 0 is the highest, 7 the lowest. */
  readonly level: number;
}

export interface TerminalPlan {
  /** 0 means not known yet. */
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
  /** As the specification calls it, e.g. `RLIMIT_NOFILE`. */
  readonly name: string;
  /** RLIMIT_* number. */
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}
