/**
 * Hints for errors of the host's kernel that point to a problem with the host. Errors from a guest never match, since
 * their causes are texts.
 */
import { errorChain, KumiteError, SystemError } from "./errors.ts";

const asRoot = "run kumite as root on the host; `kumite check` shows which capabilities are missing";

const hints: Readonly<Record<string, string>> = {
  // Root on the host, with all capabilities, rarely gets one of these two.
  EACCES: asRoot,
  EPERM: asRoot,
  EROFS: "use a path on a writable file system; `kumite check` shows what else is missing",
  ENOSPC: "free space on the file system of that path, or use a path on another one",
  ENOTDIR: "a component of that path is not a directory: use another path, or move the file away",
  EMFILE: "raise the limit of open files of the caller (`ulimit -n`)",
  ENFILE: "raise fs.file-max with sysctl(8), or stop programs that have many files open",
};

/** `undefined` if neither the error nor its causes contain such an error. */
export function hostHint(error: unknown): string | undefined {
  const known = errorChain(error).find((at) => at instanceof SystemError && at.errno in hints);
  return known instanceof SystemError ? hints[known.errno] : undefined;
}

/** The same error with that hint, unless it has one. For errors that leave the process, where causes become texts. */
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
