/**
 * Standard output and error of the verb. Each is opened when it is first written: most verbs print nothing, and under
 * `create` both belong to the container.
 */
import type { ByteStream, Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";

export interface Output {
  /** Fails with a SystemError if the text cannot be written, and with `ReaderGone` if the reader has ended. */
  out(text: string): Promise<void>;
  /** Text that cannot be written to standard error is lost. */
  err(text: string): Promise<void>;
}

/** The reader has closed its end. Other programs end silently by SIGPIPE in this case. */
export class ReaderGone extends Error {
  override readonly name = "ReaderGone";
}

export function standardOutput(os: Os): Output {
  const streams = new Map<number, ByteStream>();
  const write = async (fd: number, text: string): Promise<void> => {
    const stream = streams.get(fd) ?? os.self.stream(fd);
    streams.set(fd, stream);
    await stream.write(encodeUtf8(text));
  };
  return {
    out: async (text) => {
      try {
        await write(1, text);
      } catch (error) {
        throw isSystemError(error, "EPIPE") ? new ReaderGone() : error;
      }
    },
    err: async (text) => {
      try {
        await write(2, text);
      } catch (error) {
        if (!isSystemError(error)) throw error;
      }
    },
  };
}
