/**
 * The storages of a root file system of two layers. The host requests them, and a template's agent mounts the same ones
 * in advance. Pure.
 */
import type { StorageRequest } from "./drivers.ts";

/** With lists as the generated message has them. */
export interface LayerStorage extends StorageRequest {
  readonly options: string[];
  readonly driverOptions?: string[];
}

/** Where layers are mounted in advance. No container's id begins with a dot. */
export const aheadDirectory = "/run/kata-containers/.ahead";

/**
 * Name of the root file system in an image of ours, and in the upper layer. The image's outer root directory has only
 * this entry (see image-root.ts of the host).
 */
export const imageRoot = "root";

export const createDirectory = "io.katacontainers.volume.overlayfs.create_directory=";

/**
 * Prevent the guest's kernel from initialising the inode tables, and from reading the block bitmaps of all groups, in
 * the background: a kernel thread that would start in each clone within its first seconds.
 */
const upperOptions: readonly string[] = ["noinit_itable", "no_prefetch_block_bitmaps"];

/**
 * With these options a directory can be renamed, and a change of owner or mode copies no content. `volatile` skips
 * flushes to the upper layer, which does not outlive the VM.
 */
const overlayOptions: readonly string[] = ["index=on", "metacopy=on", "redirect_dir=on", "volatile"];

/** Mount points in the directory of a container. */
export function lowerPoint(directory: string): string {
  return `${directory}/lower`;
}

export function upperPoint(directory: string): string {
  return `${directory}/upper`;
}

/** @param isImage the lower layer is an image of ours, with an outer root directory */
export function overlayStorage(directory: string, lowerPath: string, isImage: boolean): LayerStorage {
  const [upperdir, workdir] = [`${upperPoint(directory)}/layer`, `${upperPoint(directory)}/work`];
  const made = isImage ? [upperdir, `${upperdir}/${imageRoot}`, workdir] : [upperdir, workdir];
  return {
    driver: "overlayfs",
    source: "overlay",
    fstype: "overlay",
    options: [`lowerdir=${lowerPath}`, `upperdir=${upperdir}`, `workdir=${workdir}`, ...overlayOptions],
    mountPoint: `${directory}/rootfs`,
    driverOptions: made.map((path) => createDirectory + path),
  };
}

export function imageStorage(directory: string, source: string): LayerStorage {
  return { driver: "blk", source, fstype: "erofs", options: ["ro"], mountPoint: lowerPoint(directory) };
}

export function upperDiskStorage(directory: string, source: string): LayerStorage {
  return { driver: "blk", source, fstype: "ext4", options: [...upperOptions], mountPoint: upperPoint(directory) };
}

/** For an image of ours and an upper layer on a disk, in the order in which they are mounted. */
export function layersOn(directory: string, lower: string, upper: string): readonly LayerStorage[] {
  return [
    imageStorage(directory, lower),
    upperDiskStorage(directory, upper),
    overlayStorage(directory, lowerPoint(directory), true),
  ];
}
