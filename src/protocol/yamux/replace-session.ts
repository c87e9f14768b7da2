/**
 * Takes over a carrier in the middle of a session between the peer and another process. A copy of a VM is in this
 * situation: its agent talks to a host that does not exist. The agent was given a token before the VM was saved, and it
 * had read everything sent to it by then (`YamuxSession.quiesce`). On the go-away frame sent here, it ends its session
 * and begins the next one with the token.
 */
import type { ByteStream } from "../../sys/os.ts";
import { concat, writeParts } from "../../util/bytes.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeHeader, frameType, goAwayCode } from "./frame.ts";

/**
 * Limit of the old session's bytes that may still arrive. A virtio port and the sockets behind it hold less than a
 * megabyte.
 */
const maxSkippedBytes = 16 * 1024 * 1024;

/**
 * Resolves with the carrier, positioned at the beginning of the new session. The caller owns it.
 * @param token `sessionTokenLength` bytes
 * @throws KumiteError `protocol/violation`, `protocol/closed`, `aborted`
 */
export async function replaceSession(carrier: ByteStream, token: Uint8Array, signal: AbortSignal): Promise<ByteStream> {
  await carrier.write(encodeHeader(frameType.goAway, 0, 0, goAwayCode.replaced));
  let skipped = 0;
  let held: Uint8Array = new Uint8Array(0);
  for (;;) {
    const chunk = await carrier.read(signal);
    if (chunk === undefined)
      throw new KumiteError("protocol/closed", "the peer closed the connection before it began a new session");
    held = concat([held, chunk]);
    const at = indexOf(held, token);
    if (at >= 0) return beginningWith(held.subarray(at + token.length), carrier);
    // The token may be split between chunks.
    const kept = Math.min(held.length, token.length - 1);
    skipped += held.length - kept;
    held = held.slice(held.length - kept);
    if (skipped > maxSkippedBytes) {
      throw new KumiteError("protocol/violation", `the peer sent ${skipped} bytes and did not begin a new session`);
    }
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array): number {
  const [first = 0] = wanted;
  for (let at = bytes.indexOf(first); at >= 0; at = bytes.indexOf(first, at + 1)) {
    if (at + wanted.length > bytes.length) return -1;
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return -1;
}

function beginningWith(bytes: Uint8Array, stream: ByteStream): ByteStream {
  let first: Uint8Array | undefined = bytes.length > 0 ? bytes : undefined;
  return {
    read: (signal) => {
      if (first === undefined) return stream.read(signal);
      const taken = first;
      first = undefined;
      return Promise.resolve(taken);
    },
    write: (part) => stream.write(part),
    writeAll: (parts) => writeParts(stream, parts),
    end: () => stream.end(),
    close: () => stream.close(),
  };
}
