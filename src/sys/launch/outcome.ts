/** Reads the result of a launch from the descriptor `status`. */
import { concat } from "../../util/bytes.ts";
import { SystemError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/text.ts";
import type { ByteStream } from "../os.ts";
import type { LaunchFailure } from "./request.ts";

/** A launcher that sends more than this is broken. */
const maxStatusBytes = 64 * 1024;

/**
 * Resolves when the program runs: at its exec, the stream ends without a byte. Closes the stream.
 * @throws SystemError the launcher's failure
 */
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
