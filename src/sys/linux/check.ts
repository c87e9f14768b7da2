/** Converts the result of a native call to a value or a `SystemError`. */
import type { Path } from "kumite:native";
import { decodeUtf8 } from "kumite:native";
import { SystemError } from "../../util/errors.ts";
import { errnoName } from "./errno.ts";

export type { Path };

/** Error numbers as native calls return them: negated. */
export const EPERM = -1;
export const ENOENT = -2;
export const ESRCH = -3;
export const EINTR = -4;
export const EIO = -5;
export const ENXIO = -6;
export const EBADF = -9;
export const ECHILD = -10;
export const EAGAIN = -11;
export const EEXIST = -17;
export const EINVAL = -22;
export const ENOTTY = -25;
export const EPIPE = -32;
export const ENOSYS = -38;
export const EINPROGRESS = -115;

/** Returns the result, or throws a SystemError when it is a negated errno. */
export function check(result: number, call: string, subject?: Path): number {
  if (result < 0) throw failure(result, call, subject);
  return result;
}

/** The error for a native result. `errno` is negated. */
export function failure(errno: number, call: string, subject?: Path): SystemError {
  return new SystemError(errnoName(-errno), call, subject === undefined ? undefined : pathText(subject));
}

/** A path as text, for messages. */
export function pathText(path: Path): string {
  if (typeof path === "string") return path;
  return decodeUtf8(path, 0, Math.max(path.length - 1, 0), false) ?? "";
}
