/** The directories that an overlay needs in its upper layer before it is mounted. */
import { chmod, chown, mkdir } from "../../sys/linux/directory.ts";
import { setAttribute } from "../../sys/linux/extended-attributes.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../sys/linux/open-flags.ts";
import { stat } from "../../sys/linux/stat.ts";
import type { FsParameter } from "../spec/plan.ts";
import { createDirectory } from "./layers.ts";

export interface OverlayLayers {
  /** The uppermost of the lower layers. */
  readonly lower: string | undefined;
  readonly upper: string | undefined;
  /** To be created, in this order. */
  readonly directories: readonly string[];
}

export function overlayLayers(parameters: readonly FsParameter[], driverOptions: readonly string[]): OverlayLayers {
  const value = (key: string) => parameters.find((parameter) => parameter.key === key)?.value;
  const lowers = (value("lowerdir") ?? "").split(":").filter((path) => path !== "");
  const made = driverOptions.filter((option) => option.startsWith(createDirectory));
  return {
    lower: lowers[0],
    upper: value("upperdir"),
    directories: made.map((option) => option.slice(createDirectory.length)),
  };
}

/**
 * A layer may be mounted only on access, as mounts below a shared directory are. This triggers the mount before the
 * overlay looks.
 */
export function openLowers(parameters: readonly FsParameter[]): void {
  const paths = parameters.find(({ key }) => key === "lowerdir")?.value ?? "";
  for (const path of paths.split(":")) if (path !== "") closeQuietly(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/**
 * The overlay sets this attribute on a directory of the upper layer that it merges with a lower one. If it is there and
 * empty, the origin counts as unknown, and nothing has to be written.
 */
const originAttribute = "trusted.overlay.origin";

export function makeDirectories({ upper, directories }: OverlayLayers): void {
  for (const directory of directories) {
    mkdir(directory, 0o755);
    if (upper !== undefined && directory.startsWith(`${upper}/`)) setAttribute(directory, originAttribute);
  }
}

/**
 * Gives the upper directory, which becomes the overlay's root, and those in it the owner and mode of the lower ones.
 */
export function takeAfterLower({ lower, upper, directories }: OverlayLayers): void {
  if (lower === undefined || upper === undefined) return;
  for (const directory of directories) {
    if (directory === upper || directory.startsWith(`${upper}/`)) {
      takeAfter(directory, lower + directory.slice(upper.length));
    }
  }
}

/** Usually everything is right already, and looking is cheaper than changing. */
function takeAfter(directory: string, model: string): void {
  const { uid, gid, mode } = stat(model);
  const made = stat(directory);
  if (made.uid !== uid || made.gid !== gid) chown(directory, uid, gid);
  if (made.mode !== mode) chmod(directory, mode & 0o7777);
}
