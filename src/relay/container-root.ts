/**
 * Makes the container's root file system the relay's root, in a mount namespace of its own. Engines enter the
 * namespaces of the pid in the pid file to copy files in and out, and must not find the host's files there. Knows
 * nothing of the shim.
 *
 * The guest can write to this tree, so every lookup is confined to it.
 */
import type { RootView } from "../shim-client/relay-arguments.ts";
import { SECBIT_NO_SETUID_FIXUP, setfsgid, setfsuid } from "../sys/linux/credentials.ts";
import { cloneMountOf } from "../sys/linux/detached-mount.ts";
import { chdir, fchdir } from "../sys/linux/directory.ts";
import { closeQuietly, open } from "../sys/linux/file.ts";
import { makeDirectoriesInRoot, makeFileInRoot, openWithoutLinks } from "../sys/linux/in-root.ts";
import { attachMount, cloneMount, MNT_DETACH, mount, mount_setattr, pivot_root, umount2 } from "../sys/linux/mount.ts";
import { attributesOf, MS_PRIVATE, MS_REC, parseMountOptions } from "../sys/linux/mount-flags.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../sys/linux/open-flags.ts";
import { CLONE_NEWNS, PR_SET_SECUREBITS, prctl, unshare } from "../sys/linux/process.ts";
import { fstat, S_IFDIR, S_IFMT } from "../sys/linux/stat.ts";
import { isSystemError } from "../util/errors.ts";

/** Modes of directories and files that have to be created, as in the agent. */
const directoryMode = 0o755;
const fileMode = 0o644;

interface DetachedBind {
  readonly tree: number;
  readonly destination: string;
}

/** Enters the container's root. The current directory stays on the host, and is the only way back there. */
export function enterContainerRoot(view: RootView): void {
  const here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  const root = detached(view.root, false);
  const binds = view.binds.flatMap((bind) => detachedBind(bind, view.withoutLinks === true));
  unshare(CLONE_NEWNS);
  mount(null, "/", null, MS_REC | MS_PRIVATE, null);
  attachMount(root, view.root);
  chdir(view.root);
  // Stacks the old root on the new one; until it is unmounted, "." is the old root (pivot_root(2)).
  pivot_root(".", ".");
  umount2(".", MNT_DETACH);
  fchdir(here);
  closeQuietly(here);
  if (view.owner !== undefined) makeAs(view.owner);
  for (const bind of binds) attach(root, bind);
  if (view.owner !== undefined) makeAs({ uid: 0, gid: 0 });
  if (view.readOnly) mount_setattr(root, { ...readOnlyAttributes(), propagation: 0 }, false);
  closeQuietly(root);
}

/** A detached, private copy of the mount: what is mounted on it later must not appear on the host. */
function detached(path: string, readOnly: boolean, withoutLinks = false): number {
  const tree = withoutLinks ? cloneWithoutLinks(path) : cloneMount(path, true);
  const attributes = readOnly ? readOnlyAttributes() : { set: 0, clear: 0 };
  mount_setattr(tree, { ...attributes, propagation: MS_PRIVATE }, true);
  return tree;
}

function cloneWithoutLinks(path: string): number {
  const fd = openWithoutLinks(path, O_PATH);
  try {
    return cloneMountOf(fd, true, path);
  } finally {
    closeQuietly(fd);
  }
}

function readOnlyAttributes(): { set: number; clear: number } {
  return attributesOf(parseMountOptions(["ro"]));
}

/** Skips a source that cannot be opened: the creation of the container reports that error. */
function detachedBind(
  { source, destination, readOnly }: RootView["binds"][number],
  withoutLinks: boolean,
): DetachedBind[] {
  try {
    return [{ tree: detached(source, readOnly, withoutLinks), destination }];
  } catch (error) {
    if (isSystemError(error)) return [];
    throw error;
  }
}

/** Files and directories created from here on belong to these ids; the process keeps its privileges. */
function makeAs({ uid, gid }: NonNullable<RootView["owner"]>): void {
  prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP);
  setfsgid(gid);
  setfsuid(uid);
}

/**
 * Skips errors: the container is created when its relay is ready, and then the guest finds the destination or reports
 * why it cannot.
 */
function attach(root: number, { tree, destination }: DetachedBind): void {
  try {
    const isDirectory = (fstat(tree).mode & S_IFMT) === S_IFDIR;
    const place = isDirectory
      ? makeDirectoriesInRoot(root, destination, directoryMode)
      : makeFileInRoot(root, destination, fileMode, directoryMode);
    try {
      attachMount(tree, place);
    } finally {
      closeQuietly(place);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
  } finally {
    closeQuietly(tree);
  }
}
