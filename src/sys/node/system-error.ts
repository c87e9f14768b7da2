/** Converts Node's errors to `SystemError`. Knows the shapes of Node's errors, and nothing of the calls that fail. */
import { SystemError } from "../../util/errors.ts";

/** Errors for which Node has a code of its own where the kernel has an errno. */
const errnoOfNodeCode: Readonly<Record<string, string>> = {
  ERR_STREAM_DESTROYED: "EPIPE",
  ERR_STREAM_WRITE_AFTER_END: "EPIPE",
  ERR_STREAM_PREMATURE_CLOSE: "EPIPE",
  ERR_SOCKET_CLOSED: "EPIPE",
  ERR_INVALID_ARG_VALUE: "EINVAL",
  ERR_FS_FILE_TOO_LARGE: "EFBIG",
};

/** Converts an error of Node to a `SystemError`. Anything else, such as a bug, is returned unchanged. */
export function toSystemError(error: unknown, call: string, subject?: string): unknown {
  const errno = errnoOf(error);
  return errno === undefined || error instanceof SystemError ? error : new SystemError(errno, call, subject);
}

/** Runs one call of Node and converts its failure. */
export async function asSystemCall<T>(call: string, subject: string | undefined, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw toSystemError(error, call, subject);
  }
}

/** The symbolic errno of an error of Node; `undefined` for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (error instanceof SystemError) return error.errno;
  if (typeof error !== "object" || error === null || !("code" in error) || typeof error.code !== "string") {
    return undefined;
  }
  return error.code.startsWith("ERR_") ? errnoOfNodeCode[error.code] : error.code;
}
