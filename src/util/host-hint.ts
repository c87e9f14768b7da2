/**
 * What to do about an answer of the host's kernel that tells what is wrong with the host. Errors of a guest come without such
 * answers: their causes are texts.
 */
import { errorChain, KumiteError, SystemError } from "./errors.ts";

const asRoot = "run it as root of the host; `kumite check` tells which rights are missing";

const hints: Readonly<Record<string, string>> = {
  // Whoever is root there, with all capabilities, hardly meets one of these two.
  EACCES: asRoot,
  EPERM: asRoot,
  EROFS: "run it where that can be written to, or name another place; `kumite check` tells what else is missing",
  ENOSPC: "make room on the file system of that path, or name a place on another one",
  ENOTDIR: "something on that path is no directory: name another place, or move it away",
  EMFILE: "raise the limit of open files of whoever starts it (`ulimit -n`)",
  ENFILE: "raise fs.file-max with sysctl(8), or end programs that have many files open",
};

/** `undefined` when the error, with its causes, has no such answer in it. */
export function hostHint(error: unknown): string | undefined {
  const known = errorChain(error).find((at) => at instanceof SystemError && at.errno in hints);
  return known instanceof SystemError ? hints[known.errno] : undefined;
}

/** The same error with that hint, unless it has one: for where an error leaves the process, and its causes become texts. */
export function withHostHint(error: unknown): unknown {
  const hint = hostHint(error);
  if (hint === undefined) return error;
  if (error instanceof SystemError) {
    return new KumiteError("system/failed", error.message, { hint, cause: error.cause });
  }
  if (!(error instanceof KumiteError)) return error;
  if (errorChain(error).some((at) => at instanceof KumiteError && at.hint !== undefined)) return error;
  const { code, message, phase, data, cause } = error;
  return new KumiteError(code, message, { hint, data, cause, ...(phase !== undefined && { phase }) });
}
