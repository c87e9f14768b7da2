/** Standard output and error of the verb. Opened at the first text: most verbs print nothing, and under `create` both
 * belong to the container. */
import type { ByteStream, Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";

export interface Output {
  /** Fails with a SystemError when it cannot be taken, and with `ReaderGone` when whoever read it has ended. */
  out(text: string): Promise<void>;
  /** What standard error does not take is lost. */
  err(text: string): Promise<void>;
}

/** What ends a program of others by SIGPIPE, without a word: the reader has seen enough. */
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
