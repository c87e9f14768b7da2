/**
 * The steps that give a process its own root with a few paths of the host. Pure. The mounts exist only in the process's
 * mount namespace and end with it, so nothing has to be undone.
 */
import { dirName } from "../../util/path.ts";
import { encodeMountAttributes, MNT_DETACH } from "../linux/mount.ts";
import {
  attributesOf,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  MS_REMOUNT,
  MS_SLAVE,
} from "../linux/mount-flags.ts";
import { AT_FDCWD, AT_RECURSIVE } from "../linux/open-flags.ts";
import { CLONE_NEWNS } from "../linux/process.ts";
import type { PrivateTree, TreeEntry } from "../os.ts";
import type { SetUpStep } from "./set-up.ts";

const S_IFREG = 0o100000;
const plain = MS_NOSUID | MS_NODEV | MS_NOEXEC;
/** The tmpfs holds only what leads to the entries: some directories, symlinks and mount points. */
const rootOptions = "mode=755,size=256k";
const ownProcesses = "subset=pid,hidepid=invisible";

export function privateTreeSteps({ over, entries }: PrivateTree): SetUpStep[] {
  const made = new Set([over]);
  return [
    step("mount namespace", "unshare", CLONE_NEWNS),
    // Mounts that the host makes later below an entry propagate to here, but not the other way.
    step("/", "mount", null, "/", null, MS_REC | MS_SLAVE, null),
    step("the umask", "umask", 0o022),
    step(over, "mount", "tmpfs", over, "tmpfs", plain, rootOptions),
    ...entries.flatMap((entry) => entrySteps(entry, `${over}${entry.path}`, made)),
    step(over, "chdir", over),
    // Stacks the old root on the new one, and then detaches it.
    step(over, "pivot_root", ".", "."),
    step("the old root", "umount2", ".", MNT_DETACH),
    step("/", "chdir", "/"),
    step("/", "mount", null, "/", null, MS_REMOUNT | MS_BIND | MS_RDONLY | plain, null),
  ];
}

function step(subject: string, call: string, ...args: readonly (number | string | Uint8Array | null)[]): SetUpStep {
  return { native: [call, ...args], call, subject };
}

/** @param made directories that exist already; new ones are added */
function entrySteps(entry: TreeEntry, place: string, made: Set<string>): SetUpStep[] {
  const { kind, path } = entry;
  switch (kind) {
    case "link":
      return [...directorySteps(dirName(place), made), step(path, "symlinkat", entry.target, AT_FDCWD, place)];
    case "proc": {
      const mount = step(path, "mount", "proc", place, "proc", plain | MS_RDONLY, ownProcesses);
      return [...directorySteps(place, made), mount];
    }
    case "directory":
      return [...directorySteps(place, made), ...bindSteps(path, place, entry.readOnly, MS_NODEV)];
    case "file":
    case "device": {
      const file = step(path, "mknodat", AT_FDCWD, place, S_IFREG | 0o644, 0);
      const bind = bindSteps(path, place, entry.readOnly, kind === "device" ? 0 : MS_NODEV);
      return [...directorySteps(dirName(place), made), file, ...bind];
    }
  }
}

function directorySteps(path: string, made: Set<string>): SetUpStep[] {
  if (made.has(path)) return [];
  const above = directorySteps(dirName(path), made);
  made.add(path);
  return [...above, step(path, "mkdirat", AT_FDCWD, path, 0o755)];
}

function bindSteps(path: string, place: string, readOnly: boolean, noDevices: number): SetUpStep[] {
  const flags = MS_NOSUID | noDevices | (readOnly ? MS_RDONLY : 0);
  const attributes = encodeMountAttributes({ ...attributesOf({ flags, cleared: 0 }), propagation: 0 });
  return [
    step(path, "mount", path, place, null, MS_BIND | MS_REC, null),
    step(path, "mount_setattr", AT_FDCWD, place, AT_RECURSIVE, attributes),
  ];
}
