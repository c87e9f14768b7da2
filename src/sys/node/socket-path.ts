/** The length limit of unix socket addresses. */
import { SystemError } from "../../util/errors.ts";

/** `sun_path` of unix(7) holds 108 bytes with the terminating zero. */
const maxPathBytes = 107;

/** Node cuts longer addresses off in silence: checked before it sees them. */
export function checkSocketPath(call: string, path: string): void {
  if (Buffer.byteLength(path) > maxPathBytes) throw new SystemError("ENAMETOOLONG", call, path);
  if (path === "" || path.includes("\0")) throw new SystemError("EINVAL", call, path);
}
