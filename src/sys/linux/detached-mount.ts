/**
 * Detached mounts: new file systems, and copies of existing mounts. They are changed while nobody can see them, and
 * then attached to an open directory or file (`attachMount`), so that no path is resolved a second time.
 */
import { fsconfig, fsmount, fsopen, fspick, open_tree, read } from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/text.ts";
import { check, failure } from "./check.ts";
import { closeQuietly } from "./file.ts";
import { OPEN_TREE_CLOEXEC, OPEN_TREE_CLONE } from "./mount.ts";
import { AT_EMPTY_PATH, AT_RECURSIVE } from "./open-flags.ts";

const FSOPEN_CLOEXEC = 0x1;
const FSMOUNT_CLOEXEC = 0x1;
const FSCONFIG_SET_FLAG = 0;
const FSCONFIG_SET_STRING = 1;
const FSCONFIG_CMD_CREATE = 6;
const FSCONFIG_CMD_RECONFIGURE = 7;
const FSPICK_CLOEXEC = 0x1;
const FSPICK_EMPTY_PATH = 0x8;

/** One parameter of a file system: `key=value`, or a flag. */
export interface FileSystemParameter {
  readonly key: string;
  readonly value: string | undefined;
}

/**
 * A detached copy of the mount that the descriptor is in, with the descriptor's file as its root: what a bind mount
 * attaches.
 * @param subject for errors
 */
export function cloneMountOf(fd: number, recursive: boolean, subject: string): number {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  return check(open_tree(fd, "", flags), "open_tree", subject);
}

/**
 * A new, detached mount of a file system.
 * @param attributes MOUNT_ATTR_* bits to set
 * @throws SystemError with the file system's own message
 */
export function mountFileSystem(
  type: string,
  source: string,
  parameters: readonly FileSystemParameter[],
  attributes: number,
): number {
  const context = check(fsopen(type, FSOPEN_CLOEXEC), "fsopen", type);
  try {
    configure(context, type, FSCONFIG_SET_STRING, "source", source);
    setParameters(context, type, parameters);
    configure(context, type, FSCONFIG_CMD_CREATE, null, null);
    return check(fsmount(context, FSMOUNT_CLOEXEC, attributes), "fsmount", type);
  } finally {
    closeQuietly(context);
  }
}

/**
 * Changes the parameters of the file system that is mounted at the descriptor. All its mounts are affected.
 * @param subject for errors
 * @throws SystemError with the file system's own message
 */
export function reconfigureFileSystem(fd: number, parameters: readonly FileSystemParameter[], subject: string): void {
  const context = check(fspick(fd, "", FSPICK_CLOEXEC | FSPICK_EMPTY_PATH), "fspick", subject);
  try {
    setParameters(context, subject, parameters);
    configure(context, subject, FSCONFIG_CMD_RECONFIGURE, null, null);
  } finally {
    closeQuietly(context);
  }
}

function setParameters(context: number, what: string, parameters: readonly FileSystemParameter[]): void {
  for (const { key, value } of parameters) {
    configure(context, what, value === undefined ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, key, value ?? null);
  }
}

function configure(context: number, type: string, command: number, key: string | null, value: string | null): void {
  const result = fsconfig(context, command, key, value, 0);
  if (result >= 0) return;
  const said = messages(context);
  const what = key === null ? type : `${type} with ${key}${value === null ? "" : `=${value}`}`;
  throw new SystemError(failure(result, "fsconfig").errno, "mount", said === "" ? what : `${what} (${said})`);
}

/**
 * What the kernel has logged for this context. Each message consists of a letter for the level, a space and text.
 * Bounded.
 */
function messages(context: number): string {
  const buffer = new Uint8Array(1024);
  const lines: string[] = [];
  for (let count = 0; count < 8; count++) {
    const length = read(context, buffer, 0, buffer.length);
    if (length <= 0) break;
    lines.push(decodeUtf8(buffer.subarray(0, length)).trim().slice(2));
  }
  return lines.join("; ");
}
