/**
 * Where containers and sandboxes keep what they have on the host. Names only; nothing here is made or looked at.
 */
import { joinPath } from "../util/path.ts";
import { sha256Hex } from "../util/sha256.ts";

/** Default of `--root`. */
export const defaultRoot = "/run/kumite";

/** Directory of the shims' sockets, the same for every root: a unix socket's path has 107 bytes at most. */
export const socketDirectory = "/run/kumite/s";

/** Of every container, whichever sandbox it is in. All of it lies in `directory`, which is 0700. */
export interface ContainerPaths {
  readonly directory: string;
  /** What has to be undone. */
  readonly journal: string;
  /** What is known to callers: bundle, status, exit status. */
  readonly state: string;
  /** `process` of the configuration that the container was made from. */
  readonly process: string;
  /** What is to be run when the container has been deleted; only when there is something. */
  readonly poststop: string;
  /** Held by whoever recovers the container. */
  readonly lock: string;
  /** Stands for a root file system that the host has no directory of; only when there is none. */
  readonly emptyRoot: string;
}

/** Of a sandbox: also those of the container that it was made with, whose id it has. Only the socket lies elsewhere. */
export interface SandboxPaths extends ContainerPaths {
  /** Log of the shim. */
  readonly log: string;
  /** What the guest printed last, as a ring file. */
  readonly console: string;
  /** Parent of the tree that the guest mounts; a mount point. */
  readonly shared: string;
  /** The driver's sockets and logs. */
  readonly vm: string;
  /** Which disks the command has made for the shim; only when it has. */
  readonly layers: string;
  /** Where the shim listens. */
  readonly socket: string;
}

export function containerPaths(root: string, id: string): ContainerPaths {
  const directory = joinPath(root, id);
  return {
    directory,
    journal: `${directory}/journal.json`,
    state: `${directory}/state.json`,
    process: `${directory}/process.json`,
    poststop: `${directory}/poststop.json`,
    lock: `${directory}/lock`,
    emptyRoot: `${directory}/root`,
  };
}

/** `root` must be absolute and the same text for every verb, since the socket's name is made of it. */
export function sandboxPaths(root: string, id: string): SandboxPaths {
  const paths = containerPaths(root, id);
  const { directory } = paths;
  return {
    ...paths,
    log: `${directory}/shim.log`,
    console: `${directory}/console.log`,
    shared: `${directory}/shared`,
    vm: `${directory}/vm`,
    layers: `${directory}/layers.json`,
    socket: `${socketDirectory}/${sha256Hex(`${joinPath(root)}\0${id}`).slice(0, 16)}`,
  };
}
