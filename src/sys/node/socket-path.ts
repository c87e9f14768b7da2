/** The length limit of unix socket addresses. */
import { SystemError } from "../../util/errors.ts";

/** `sun_path` of unix(7) has 108 bytes, including the terminating zero. */
const maxPathBytes = 107;

/** Must be called before Node gets the path, because Node truncates longer paths silently. */
export function checkSocketPath(call: string, path: string): void {
  if (Buffer.byteLength(path) > maxPathBytes) throw new SystemError("ENAMETOOLONG", call, path);
  if (path === "" || path.includes("\0")) throw new SystemError("EINVAL", call, path);
}
