/**
 * What the host can have mounted in the guest, by the name of its driver. Each driver makes a detached mount; where it
 * goes and for how long is decided in storages.ts.
 */
import { cloneMountOf, mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { openInRoot } from "../../sys/linux/in-root.ts";
import { mount_setattr } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../sys/linux/open-flags.ts";
import { fstat, isDirectory } from "../../sys/linux/stat.ts";
import { KumiteError } from "../../util/errors.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import { type MountOptions, readMountOptions } from "../spec/mount-options.ts";

/** As the protocol's message has it. */
export interface StorageRequest {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
}

export interface StorageContext {
  readonly modules: ModuleLoader;
  /** Directory in which sources that are paths are looked up: `/` in a machine. */
  readonly hostRoot: string;
}

export interface DetachedStorage {
  /** The caller closes it. */
  readonly mount: number;
  readonly directory: boolean;
}

type Driver = (request: StorageRequest, options: MountOptions, context: StorageContext) => DetachedStorage;

const drivers: ReadonlyMap<string, Driver> = new Map<string, Driver>([
  ["virtio-fs", mountVirtioFs],
  ["bind", mountBind],
  ["ephemeral", mountEphemeral],
]);

export const storageDrivers: readonly string[] = [...drivers.keys()];

/** @throws KumiteError `usage/invalid` for an unknown driver; SystemError */
export function makeStorage(request: StorageRequest, context: StorageContext): DetachedStorage {
  const driver = drivers.get(request.driver);
  if (driver === undefined) {
    throw new KumiteError("usage/invalid", `Unknown storage driver ${JSON.stringify(request.driver)}`, {
      hint: `this agent has ${storageDrivers.join(", ")}`,
    });
  }
  return driver(request, readMountOptions(request.options), context);
}

/** The source is the tag of the device. */
function mountVirtioFs(
  { source }: StorageRequest,
  options: MountOptions,
  { modules }: StorageContext,
): DetachedStorage {
  modules.need("virtiofs");
  return { mount: mountFileSystem("virtiofs", source, options.parameters, options.attributes.set), directory: true };
}

/** With everything mounted below the source, unless the options say `bind`. */
function mountBind({ source }: StorageRequest, options: MountOptions, { hostRoot }: StorageContext): DetachedStorage {
  if (!source.startsWith("/")) {
    throw new KumiteError(
      "usage/invalid",
      `the source of a bind must be an absolute path, not ${JSON.stringify(source)}`,
    );
  }
  const rootFd = open(hostRoot, O_PATH | O_DIRECTORY | O_CLOEXEC);
  let fd: number | undefined;
  try {
    // Links in the host's path mean the host's root, not ours.
    fd = openInRoot(rootFd, source, O_PATH);
    const mount = cloneMountOf(fd, options.bind !== "bind", source);
    const { set, clear } = options.attributes;
    if (set !== 0 || clear !== 0) mount_setattr(mount, { set, clear, propagation: 0 }, false);
    return { mount, directory: isDirectory(fstat(fd)) };
  } finally {
    closeQuietly(rootFd);
    if (fd !== undefined) closeQuietly(fd);
  }
}

function mountEphemeral(request: StorageRequest, options: MountOptions): DetachedStorage {
  const { fstype, source } = request;
  if (fstype !== "tmpfs" && fstype !== "hugetlbfs") {
    throw new KumiteError("usage/invalid", `ephemeral storage is tmpfs or hugetlbfs, not ${JSON.stringify(fstype)}`);
  }
  return { mount: mountFileSystem(fstype, source, options.parameters, options.attributes.set), directory: true };
}
