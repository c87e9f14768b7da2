/** The paths of containers and sandboxes on the host. Names only: nothing is created or examined here. */
import { joinPath } from "../util/path.ts";
import { sha256Hex } from "../util/sha256.ts";

/** Default of `--root`. */
export const defaultRoot = "/run/kumite";

/** Directory of the shims' sockets, shared by all roots, because a unix socket's path has at most 107 bytes. */
export const socketDirectory = "/run/kumite/s";

/** The files of a container, in whichever sandbox it is. All of them are in `directory`, which has mode 0700. */
export interface ContainerPaths {
  readonly directory: string;
  /** What has to be undone. */
  readonly journal: string;
  /** What callers may know: bundle, status, exit status. */
  readonly state: string;
  /** `process` of the configuration that the container was created from. */
  readonly process: string;
  /** The hooks to run after the container's deletion; missing if there are none. */
  readonly poststop: string;
  /** Locked by the process that recovers the container. */
  readonly lock: string;
  /** Stands for a root file system without a directory on the host; otherwise missing. */
  readonly emptyRoot: string;
}

/** The files of a sandbox and of its first container, whose id it has. Only the socket is in another directory. */
export interface SandboxPaths extends ContainerPaths {
  /** The shim's log. */
  readonly log: string;
  /** The last lines of the guest's console, as a ring file. */
  readonly console: string;
  /** Parent of the tree that the guest mounts; a mount point. */
  readonly shared: string;
  /** The driver's sockets and logs. */
  readonly vm: string;
  /** The disks that the verb made for the shim; missing if it made none. */
  readonly layers: string;
  /** The shim's socket. */
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

/** `root` must be absolute and the same text for every verb, since the socket's name is derived from it. */
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
