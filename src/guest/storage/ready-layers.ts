/**
 * Layers that the agent of a template mounts in advance, with an image that has only the outer root directory. The
 * first container of a clone, which requests exactly the same storages, takes the mounts; by then its own image is
 * behind the lower disk.
 */
import { mountFileSystem } from "../../sys/linux/detached-mount.ts";
import { mkdir, mkdirIfMissing } from "../../sys/linux/directory.ts";
import { forgetDisk } from "../../sys/linux/disk.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { sync } from "../../sys/linux/machine.ts";
import { attachMount } from "../../sys/linux/mount.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { dirName } from "../../util/path.ts";
import { readMountOptions } from "../spec/mount-options.ts";
import { type DetachedStorage, makeStorage, type StorageContext, type StorageRequest } from "./drivers.ts";
import { aheadDirectory, type LayerStorage, layersOn } from "./layers.ts";
import { makeDirectories, type OverlayLayers, overlayLayers, takeAfterLower } from "./overlay.ts";

export interface ReadyStorages {
  /** The mount for this request, which belongs to the caller then; `undefined`: there is none. @throws SystemError */
  take(request: StorageRequest): DetachedStorage | undefined;
}

export class ReadyLayers implements ReadyStorages {
  readonly #lower: string;
  readonly #upper: string;
  /** As `layersOn` has them. */
  readonly #mounts: (number | undefined)[];

  private constructor(lower: string, upper: string, mounts: readonly number[]) {
    this.#lower = lower;
    this.#upper = upper;
    this.#mounts = [...mounts];
  }

  /**
   * @param lower disk with an image that has no root file system
   * @param upper disk with an empty file system. What is written to it is on the disk when this returns.
   * @throws SystemError
   */
  static mount(context: StorageContext, lower: string, upper: string): ReadyLayers {
    const [image, disk, overlay] = layersOn(aheadDirectory, lower, upper) as [LayerStorage, LayerStorage, LayerStorage];
    mkdirIfMissing(dirName(aheadDirectory), 0o755);
    mkdir(aheadDirectory, 0o755);
    // The overlay finds its layers by path.
    const below = [image, disk].map((layer) => attached(layer, context));
    makeDirectories(layersOf(overlay));
    context.modules.need("overlay");
    const { parameters, attributes } = readMountOptions(overlay.options);
    const whole = mountFileSystem("overlay", overlay.source, parameters, attributes.set);
    sync();
    forget(lower);
    return new ReadyLayers(lower, upper, [...below, whole]);
  }

  take(request: StorageRequest): DetachedStorage | undefined {
    const layers = layersOn(dirName(request.mountPoint), this.#lower, this.#upper);
    const index = layers.findIndex((layer) => isSame(layer, request));
    const mount = this.#mounts[index];
    if (mount === undefined) return undefined;
    // In the template there was no root file system to take owner and mode from.
    if (request.fstype === "overlay") takeAfterLower(layersOf(request));
    this.#mounts[index] = undefined;
    return { mount, directory: true };
  }
}

function attached(layer: LayerStorage, context: StorageContext): number {
  const { mount } = makeStorage(layer, context);
  if (mount === undefined) throw new Error(`the layer's ${layer.fstype} storage has no mount`);
  mkdir(layer.mountPoint, 0o755);
  attachMount(mount, layer.mountPoint);
  return mount;
}

function layersOf({ options, driverOptions = [] }: StorageRequest): OverlayLayers {
  return overlayLayers(readMountOptions(options).parameters, driverOptions);
}

/** The first block of a clone's image differs, so it must not stay in the page cache. */
function forget(disk: string): void {
  const fd = open(disk, O_RDONLY | O_CLOEXEC);
  try {
    forgetDisk(fd);
  } finally {
    closeQuietly(fd);
  }
}

function isSame(one: StorageRequest, other: StorageRequest): boolean {
  return (
    one.driver === other.driver &&
    one.source === other.source &&
    one.fstype === other.fstype &&
    one.mountPoint === other.mountPoint &&
    isSameList(one.options, other.options) &&
    isSameList(one.driverOptions ?? [], other.driverOptions ?? [])
  );
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}
