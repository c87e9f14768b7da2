/**
 * The protocol between Node and `kumite-helper`, the process that makes the system calls that Node lacks. Data only;
 * both sides import it.
 *
 * The contract of the executable with its caller:
 * - The caller starts it as `kumite-helper`, with one end of a unix stream socket pair as descriptor 3.
 * - Both directions carry one JSON document per line, in UTF-8, of at most `maxLineBytes` including the newline.
 * - Requests run concurrently and are answered in any order, each exactly once, by `id`.
 * - A line that is not a valid request ends the helper with status 2: the caller has a bug, and guessing would hide it.
 * - When the socket ends, the helper ends and releases all its locks.
 */
import type { MountRequest, ProcessId } from "../os.ts";

export type HelperRequest = { readonly id: number } & HelperCall;

export type HelperCall =
  /** Like `Mounts.mount`. Result `null`. */
  | { readonly kind: "mount"; readonly request: MountRequest }
  /** Like `Mounts.unmount`. Result `null`. */
  | { readonly kind: "unmount"; readonly target: string; readonly lazy: boolean }
  /** Like `Files.lock`: waits. The result is a number, the handle for `unlock`. */
  | { readonly kind: "lock"; readonly path: string }
  /** Result `null`; an unknown handle is EINVAL. */
  | { readonly kind: "unlock"; readonly handle: number }
  /** Like `Processes.signal`. Result: whether the signal was sent. */
  | { readonly kind: "signal"; readonly process: ProcessId; readonly signal: number }
  /** Like `Processes.waitGone`: waits. Result `null`. */
  | { readonly kind: "waitGone"; readonly process: ProcessId }
  /**
   * Cancels a waiting `lock` or `waitGone`, which then fails with ECANCELED. A lock that has been acquired already is
   * kept, and its handle is answered as usual. Result `null`, even if there was nothing to cancel.
   */
  | { readonly kind: "cancel"; readonly request: number };

export type HelperResponse =
  | { readonly id: number; readonly ok: true; readonly value: null | boolean | number }
  | { readonly id: number; readonly ok: false; readonly error: HelperFailure };

/** The arguments of a `SystemError`. */
export interface HelperFailure {
  readonly errno: string;
  readonly call: string;
  readonly subject?: string;
}

export const helperDescriptor = 3;
export const maxLineBytes = 65536;
