/**
 * The product's only error class, and how errors are shown. The code is for programs, message and hint are for people,
 * data is for both.
 */

/** A closed list. A new failure gets a new code here, so that callers can see them all. */
export const errorCodes = [
  "usage/invalid",
  "oci/bundle-invalid",
  "oci/spec-invalid",
  "oci/unsupported",
  "container/not-found",
  "container/exists",
  "container/wrong-state",
  "container/bad-id",
  "process/not-found",
  "process/exists",
  "process/executable-not-found",
  "hook/failed",
  "config/invalid",
  "install/incomplete",
  "hypervisor/not-found",
  "hypervisor/start-failed",
  "hypervisor/exited",
  "hypervisor/unsupported",
  "hypervisor/plug-failed",
  "hypervisor/protocol",
  "agent/unreachable",
  "agent/denied",
  "agent/failed",
  "agent/timeout",
  "shim/unreachable",
  "shim/start-failed",
  "storage/failed",
  "snapshot/impossible",
  "snapshot/invalid",
  "cgroup/failed",
  "journal/corrupt",
  "cleanup/incomplete",
  "protocol/violation",
  "protocol/closed",
  "system/failed",
  "aborted",
  "timeout",
  "internal",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** What the code that raises an error knows beyond the message. */
export interface ErrorDetail {
  /** The phase that failed, e.g. `hypervisor.start`. */
  readonly phase?: string;
  /** What the reader can do next; a sentence without full stop. */
  readonly hint?: string;
  /** Ids, paths, `elapsedMs`, `console` (last lines of the guest's console). */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

export class KumiteError extends Error {
  override readonly name = "KumiteError";
  readonly code: ErrorCode;
  readonly phase: string | undefined;
  readonly hint: string | undefined;
  readonly data: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.phase = detail.phase;
    this.hint = detail.hint;
    this.data = detail.data ?? {};
  }
}

/** An error of the operating system, the same from every implementation of `Os`. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** Symbolic errno, e.g. `ENOENT`. */
  readonly errno: string;
  /** The call that failed, e.g. `open`. */
  readonly call: string;
  /** The path or other object of the call, if there is one. */
  readonly subject: string | undefined;

  constructor(errno: string, call: string, subject?: string) {
    super(`${call}${subject === undefined ? "" : ` ${subject}`}: ${describeErrno(errno)}`);
    this.errno = errno;
    this.call = call;
    this.subject = subject;
  }
}

export function isSystemError(error: unknown, ...errnos: string[]): error is SystemError {
  return error instanceof SystemError && (errnos.length === 0 || errnos.includes(error.errno));
}

export function isKumiteError(error: unknown, ...codes: ErrorCode[]): error is KumiteError {
  return error instanceof KumiteError && (codes.length === 0 || codes.includes(error.code));
}

/**
 * Whether a program on the small engine has reached its memory limit. The engine throws `null` if there is no memory
 * left for an error object.
 */
export function isOutOfMemory(error: unknown): boolean {
  return (
    error === null || (error instanceof Error && error.name === "InternalError" && error.message === "out of memory")
  );
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  if (error === null) return "out of memory";
  return error instanceof Error ? error.message : String(error);
}

/** Longest chain of causes that is followed. */
const maxCauses = 8;

/** The error followed by its causes, the nearest first. */
export function errorChain(error: unknown): Error[] {
  const chain: Error[] = [];
  for (let at = error; at instanceof Error && chain.length <= maxCauses; at = at.cause) chain.push(at);
  return chain;
}

/** The causes, nearest first, without those whose text the error before already contains. */
export function causesOf(error: unknown): Error[] {
  const chain = errorChain(error);
  return chain.slice(1).filter((cause, index) => !messageOf(chain[index]).endsWith(cause.message));
}

/** What failed and why, on one line, for logs. */
export function messageWithCauses(error: unknown): string {
  return [messageOf(error), ...causesOf(error).map(messageOf)].join(": ");
}

const descriptions: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "address already in use",
  EAGAIN: "resource temporarily unavailable",
  EBADF: "bad file descriptor",
  EBUSY: "device or resource busy",
  ECHILD: "no child processes",
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset by peer",
  EEXIST: "file exists",
  EINVAL: "invalid argument",
  EIO: "input/output error",
  EISDIR: "is a directory",
  ELOOP: "too many symbolic links",
  EMFILE: "too many open files",
  ENAMETOOLONG: "file name too long",
  ENODEV: "no such device",
  ENOENT: "no such file or directory",
  ENOEXEC: "exec format error",
  ENOMEM: "out of memory",
  ENOSPC: "no space left on device",
  ENOTCONN: "not connected",
  ENOTDIR: "not a directory",
  ENOTEMPTY: "directory not empty",
  EPERM: "operation not permitted",
  EPIPE: "broken pipe",
  EROFS: "read-only file system",
  ESRCH: "no such process",
  ETIMEDOUT: "timed out",
  ETXTBSY: "text file busy",
  EXDEV: "invalid cross-device link",
};

function describeErrno(errno: string): string {
  return descriptions[errno] ?? errno;
}
