/**
 * The storage drivers: what the host can have mounted in the guest. Each driver makes a detached mount; storages.ts
 * decides where it is attached and for how long.
 */
import { cloneMountOf, mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { fchmod, mkdir } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { openInRoot, openWithoutLinks } from "../../sys/linux/in-root.ts";
import { mount_setattr } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { fstat, isDirectory } from "../../sys/linux/stat.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { baseName, dirName } from "../../util/path.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import { type MountOptions, mountAttribute, readMountOptions } from "../spec/mount-options.ts";
import type { FsParameter } from "../spec/plan.ts";
import { reserveHugePages } from "./huge-pages.ts";
import { limitNames, namesLimitIn } from "./known-names.ts";
import { makeDirectories, openLowers, overlayLayers, takeAfterLower } from "./overlay.ts";

/** As in the protocol's message. */
export interface StorageRequest {
  readonly driver: string;
  readonly source: string;
  readonly fstype: string;
  readonly options: readonly string[];
  readonly mountPoint: string;
  readonly driverOptions?: readonly string[];
}

export interface StorageContext {
  readonly modules: ModuleLoader;
  /** Whether the kernel is a VM's own. */
  readonly ownsKernel: boolean;
  readonly log: Logger;
  /** Directory in which source paths are looked up: `/` in a VM. */
  readonly hostRoot: string;
}

export interface DetachedStorage {
  /** The caller closes it. `undefined`: the storage is a directory of the guest, created where it is needed. */
  readonly mount: number | undefined;
  readonly directory: boolean;
  /** Called when the storage is unmounted. */
  readonly undo?: () => void;
}

type Driver = (request: StorageRequest, options: MountOptions, context: StorageContext) => DetachedStorage;

/** The driver whose files a daemon on the host serves. */
export const daemonDriver = "virtio-fs";

const drivers: ReadonlyMap<string, Driver> = new Map<string, Driver>([
  [daemonDriver, mountVirtioFs],
  ["9p", mount9p],
  ["blk", mountDisk],
  // The same, but found by the kernel's name.
  ["mmioblk", mountDisk],
  ["scsi", mountDisk],
  ["overlayfs", mountOverlay],
  ["bind", mountBind],
  ["ephemeral", mountEphemeral],
  ["local", makeLocal],
]);

/** Drivers whose source is a disk of the VM. */
export const diskDrivers: ReadonlySet<string> = new Set(["blk", "mmioblk", "scsi"]);

export const storageDrivers: readonly string[] = [...drivers.keys()];

/**
 * @throws KumiteError `usage/invalid` for an unknown driver
 * @throws SystemError
 */
export function makeStorage(request: StorageRequest, context: StorageContext): DetachedStorage {
  const driver = drivers.get(request.driver);
  if (driver === undefined) {
    throw new KumiteError("usage/invalid", `Unknown storage driver ${JSON.stringify(request.driver)}`, {
      hint: `use one of ${storageDrivers.join(", ")}`,
    });
  }
  return driver(request, readMountOptions(request.options), context);
}

/** The source is the tag of the device. */
function mountVirtioFs(
  { source, driverOptions = [] }: StorageRequest,
  options: MountOptions,
  { modules, ownsKernel, log }: StorageContext,
): DetachedStorage {
  modules.need("virtiofs");
  const mount = mountFileSystem("virtiofs", source, options.parameters, options.attributes.set);
  const limit = ownsKernel ? namesLimitIn(driverOptions) : undefined;
  return { mount, directory: true, ...(limit === undefined ? {} : { undo: limitNames(limit, log) }) };
}

/** The source is the tag of the device. */
function mount9p({ source }: StorageRequest, options: MountOptions, { modules }: StorageContext): DetachedStorage {
  modules.need("9pnet_virtio");
  modules.need("9p");
  return { mount: mountFileSystem("9p", source, options.parameters, options.attributes.set), directory: true };
}

/**
 * The source is a node in /dev by now (`disks.ts`). With `bind`, the disk itself is mounted, otherwise its file system.
 */
function mountDisk(request: StorageRequest, options: MountOptions, context: StorageContext): DetachedStorage {
  const { fstype, source } = request;
  if (fstype === "bind") return mountBind(request, { ...options, bind: "bind" }, { ...context, hostRoot: "/" });
  if (fstype === "") {
    throw new KumiteError("usage/invalid", `the storage on disk ${source} names no file system`);
  }
  context.modules.need(fstype);
  const readonly = (options.attributes.set & mountAttribute.readonly) !== 0;
  // The file system itself must be read-only: with a merely read-only mount, it would replay its journal and fail on a
  // read-only disk.
  const parameters: readonly FsParameter[] = readonly
    ? [...options.parameters, { key: "ro", value: undefined }]
    : options.parameters;
  try {
    return { mount: mountFileSystem(fstype, source, parameters, options.attributes.set), directory: true };
  } catch (error) {
    if (!isSystemError(error, "ENODEV")) throw error;
    throw new KumiteError(
      "storage/failed",
      `the guest's kernel does not support the file system ${fstype} of disk ${source}`,
      {
        hint: "set initrd to initrd-full.img in the configuration, and create the sandbox again",
      },
    );
  }
}

/**
 * The layers have been mounted by other storages. Directories for the upper layer are created first, as the driver's
 * options say.
 */
function mountOverlay(
  { source, driverOptions = [] }: StorageRequest,
  { parameters, attributes }: MountOptions,
  { modules }: StorageContext,
): DetachedStorage {
  modules.need("overlay");
  openLowers(parameters);
  const layers = overlayLayers(parameters, driverOptions);
  makeDirectories(layers);
  takeAfterLower(layers);
  return { mount: mountFileSystem("overlay", source, parameters, attributes.set), directory: true };
}

/** Includes the mounts below the source, unless the options say `bind`. */
function mountBind({ source }: StorageRequest, options: MountOptions, { hostRoot }: StorageContext): DetachedStorage {
  if (!source.startsWith("/")) {
    throw new KumiteError(
      "usage/invalid",
      `the source of a bind mount must be an absolute path, not ${JSON.stringify(source)}`,
    );
  }
  const rootFd = open(hostRoot, O_PATH | O_DIRECTORY | O_CLOEXEC);
  let fd: number | undefined;
  try {
    // Symlinks in the host's path are relative to the host's root, not to the agent's.
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

function mountEphemeral(
  { fstype, source }: StorageRequest,
  options: MountOptions,
  { ownsKernel }: StorageContext,
): DetachedStorage {
  if (fstype !== "tmpfs" && fstype !== "hugetlbfs") {
    throw new KumiteError(
      "usage/invalid",
      `ephemeral storage must be tmpfs or hugetlbfs, not ${JSON.stringify(fstype)}`,
    );
  }
  // Under the process driver, huge pages belong to the host's kernel and are not reserved.
  const undo = fstype === "hugetlbfs" && ownsKernel ? reserveHugePages(options.parameters) : undefined;
  try {
    const mount = mountFileSystem(fstype, source, options.parameters, options.attributes.set);
    return { mount, directory: true, ...(undo === undefined ? {} : { undo }) };
  } catch (error) {
    undo?.();
    throw error;
  }
}

/**
 * A directory that containers of a sandbox share. It lies in the root file system of one of them, so no symlink there
 * may be followed. It stays when its containers are removed; a later container finds its content.
 */
function makeLocal({ mountPoint }: StorageRequest, { parameters }: MountOptions): DetachedStorage {
  const mode = parameters.find(({ key }) => key === "mode")?.value ?? "0777";
  if (!/^0?[0-7]{3,4}$/.test(mode))
    throw new KumiteError("usage/invalid", `${JSON.stringify(mode)} is not a file mode`);
  const directory = openMade(mountPoint);
  try {
    fchmod(directory, Number.parseInt(mode, 8));
  } finally {
    closeQuietly(directory);
  }
  return { mount: undefined, directory: true };
}

function openMade(path: string): number {
  try {
    return openWithoutLinks(path, O_RDONLY | O_DIRECTORY);
  } catch (error) {
    if (!isSystemError(error, "ENOENT") || path === "/") throw error;
  }
  const above = openMade(dirName(path));
  try {
    mkdir(baseName(path), 0o755, above);
  } finally {
    closeQuietly(above);
  }
  return openWithoutLinks(path, O_RDONLY | O_DIRECTORY);
}
