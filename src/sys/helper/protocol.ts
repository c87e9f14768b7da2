/**
 * What Node asks of `kumite-helper`, the process that makes the system calls Node lacks.
 * Data only; both ends import it.
 *
 * The contract of the executable, for its caller:
 * - started as `kumite-helper`, with one end of a unix stream socket pair on descriptor 3;
 * - both directions carry one JSON document per line, UTF-8, at most `maxLineBytes` with the newline;
 * - requests run concurrently and are answered out of order, each exactly once, by `id`;
 * - a line that is not a request ends the helper with status 2: the caller has a bug, guessing would hide it;
 * - when the socket ends, so does the helper, and every lock it holds is released.
 */
import type { MountRequest, ProcessId } from "../os.ts";

export type HelperRequest = { readonly id: number } & HelperCall;

export type HelperCall =
  /** As `Mounts.mount`. Result `null`. */
  | { readonly kind: "mount"; readonly request: MountRequest }
  /** As `Mounts.unmount`. Result `null`. */
  | { readonly kind: "unmount"; readonly target: string; readonly lazy: boolean }
  /** As `Files.lock`: waits. Result: the handle for `unlock`, a number. */
  | { readonly kind: "lock"; readonly path: string }
  /** Result `null`; an unknown handle is EINVAL. */
  | { readonly kind: "unlock"; readonly handle: number }
  /** As `Processes.signal`. Result: whether it was sent. */
  | { readonly kind: "signal"; readonly process: ProcessId; readonly signal: number }
  /** As `Processes.waitGone`: waits. Result `null`. */
  | { readonly kind: "waitGone"; readonly process: ProcessId }
  /**
   * Gives up a waiting `lock` or `waitGone`, which then fails with ECANCELED; a lock already got is kept and its
   * handle was or will be answered. Result `null`, also when there is nothing to give up.
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
