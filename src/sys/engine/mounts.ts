/** `Mounts` of the engine. `kumite-helper` uses it for Node, too. */
import { isSystemError, SystemError } from "../../util/errors.ts";
import { cloneMountOf } from "../linux/detached-mount.ts";
import { closeQuietly, open, openat2 } from "../linux/file.ts";
import {
  attachMount,
  cloneMount,
  MNT_DETACH,
  mount_setattr,
  mount as mountCall,
  UMOUNT_NOFOLLOW,
  umount2,
} from "../linux/mount.ts";
import {
  attributesOf,
  type MountOptions,
  MS_BIND,
  MS_MOVE,
  MS_REC,
  MS_REMOUNT,
  parseMountOptions,
} from "../linux/mount-flags.ts";
import {
  O_CLOEXEC,
  O_DIRECTORY,
  O_PATH,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
} from "../linux/open-flags.ts";
import { mountTable } from "../linux/proc.ts";
import type { MountRequest, Mounts } from "../os.ts";

export const engineMounts: Mounts = {
  mount: async (request) => mount(request),
  unmount: async (target, options) => unmount(target, options?.lazy ?? false),
  table: async () => mountTable(),
};

/**
 * Implements `Mounts.mount`. With `rec`, the attributes of a bind (`ro`, `nosuid`, …) also apply to the mounts below
 * it.
 */
export function mount(request: MountRequest): void {
  const options = parseMountOptions(request.flags);
  if (options.rest.length > 0) throw new SystemError("EINVAL", "mount", `${request.target}: flag ${options.rest[0]}`);
  const { beneath } = request;
  if (beneath === undefined) {
    mountOn(request.target, request, options);
    return;
  }
  const fd = openBeneath(beneath, request.target);
  try {
    mountOn(fd, request, options);
  } catch (error) {
    throw naming(error, request.target);
  } finally {
    closeQuietly(fd);
  }
}

/** A descriptor stands for the directory or file itself, which nobody can exchange any more. */
function openBeneath(directory: string, target: string): number {
  return openResolved(directory, target, RESOLVE_IN_ROOT);
}

function openResolved(directory: string, path: string, resolve: number): number {
  const root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    return openat2(root, path, { flags: O_PATH | O_CLOEXEC, resolve: resolve | RESOLVE_NO_MAGICLINKS });
  } finally {
    closeQuietly(root);
  }
}

type Target = string | number;

function mountOn(target: Target, request: MountRequest, options: MountOptions): void {
  const { flags, propagation } = options;
  const path = typeof target === "number" ? `/proc/self/fd/${target}` : target;
  const data = request.data ?? null;
  if ((flags & MS_REMOUNT) !== 0) mountCall(null, path, null, flags, data);
  else if ((flags & MS_BIND) !== 0) bind(target, request, options);
  else if ((flags & MS_MOVE) !== 0) mountCall(sourceOf(request), path, null, flags, null);
  else if (request.type !== undefined) mountCall(request.source ?? request.type, path, request.type, flags, data);
  else if (propagation === 0) throw new SystemError("EINVAL", "mount", request.target);
  if (propagation !== 0 && (flags & MS_BIND) === 0) changePropagation(request, propagation);
}

/** Resolves the target again to get the new mount: the old descriptor refers to what the mount covers. */
function changePropagation({ target, beneath }: MountRequest, propagation: number): void {
  const fd = beneath === undefined ? undefined : openBeneath(beneath, target);
  try {
    mountCall(null, fd === undefined ? target : `/proc/self/fd/${fd}`, null, propagation, null);
  } finally {
    if (fd !== undefined) closeQuietly(fd);
  }
}

/**
 * The copy of the mount is changed while it is detached, then attached. So the bind is never visible without its
 * attributes.
 */
function bind(target: Target, request: MountRequest, options: MountOptions): void {
  const recursive = (options.flags & MS_REC) !== 0;
  const { set, clear } = attributesOf(options);
  const propagation = options.propagation & ~MS_REC;
  const copy = copyOf(request, recursive);
  try {
    if (set !== 0 || clear !== 0 || propagation !== 0) mount_setattr(copy, { set, clear, propagation }, recursive);
    attachMount(copy, target);
  } finally {
    closeQuietly(copy);
  }
}

function copyOf(request: MountRequest, recursive: boolean): number {
  const source = sourceOf(request);
  const { sourceBeneath } = request;
  if (sourceBeneath === undefined) return cloneMount(source, recursive);
  const fd = openResolved(sourceBeneath, source, RESOLVE_BENEATH);
  try {
    return cloneMountOf(fd, recursive, source);
  } finally {
    closeQuietly(fd);
  }
}

function sourceOf(request: MountRequest): string {
  if (request.source === undefined) throw new SystemError("EINVAL", "mount", `${request.target}: no source`);
  return request.source;
}

/** Replaces the path of a descriptor in the error by the target, which means something to the reader. */
function naming(error: unknown, target: string): unknown {
  if (!isSystemError(error)) return error;
  const { subject } = error;
  if (subject !== undefined && !subject.startsWith("/proc/self/fd/")) return error;
  return new SystemError(error.errno, error.call, target);
}

/** Implements `Mounts.unmount`. */
export function unmount(target: string, lazy: boolean): void {
  try {
    umount2(target, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
  } catch (error) {
    // The kernel also says EINVAL for a path that is not a mount point.
    if (!isSystemError(error, "EINVAL", "ENOENT")) throw error;
  }
}
