/** What a launcher's caller learns from its `status`. */
import { concat } from "../../util/bytes.ts";
import { SystemError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { ByteStream } from "../os.ts";
import type { LaunchFailure } from "./request.ts";

/** A launch that says more than this is broken. */
const maxStatusBytes = 64 * 1024;

/** Resolves when the program runs: the status ends without a byte at the moment of the exec. Closes it. @throws SystemError */
export async function launched(status: ByteStream): Promise<void> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for (let bytes = await status.read(); bytes !== undefined; bytes = await status.read()) {
      parts.push(bytes);
      length += bytes.length;
      if (length > maxStatusBytes) break;
    }
  } finally {
    status.close();
  }
  if (length === 0) return;
  const { errno, call, subject } = JSON.parse(decodeUtf8(concat(parts))) as LaunchFailure;
  throw new SystemError(errno, call, subject);
}
