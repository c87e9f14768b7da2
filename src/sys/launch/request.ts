/**
 * The request to `kumite-launch`: the set-up of a process between its fork and its exec. Node sends it to a child
 * process; the engine's `spawn` uses it directly. Data and checks only.
 *
 * The contract of the executable with its caller:
 * - The caller starts it as `kumite-launch <request as JSON>`, or as `kumite-launch fd:N` to have it read the JSON from
 *   descriptor N up to its end. The latter is for requests that are too large for an argument (128 KiB) or contain
 *   secrets, since arguments are world-readable.
 * - It joins the cgroups that are named by further arguments at once, before it reads the request, which may come later
 *   if it comes from a descriptor.
 * - It starts the companions, if there are any.
 * - It does the steps in this order: open, bind and connect descriptors; join cgroups; join the namespace; session;
 *   working directory; bounding set; user; capabilities; parent-death signal; no_new_privs; put descriptors in place
 *   and close all others; exec.
 * - On failure, it writes one line of JSON, a `LaunchFailure`, to the descriptor `status`, and exits with 127.
 * - When the exec succeeds, `status` ends without a byte, since it is close-on-exec.
 */
import type { Descriptor, SpawnRequest } from "../os.ts";

/** Like `Descriptor`, but a stream is an inherited end of a socket pair. `inherit.fd` may equal its own number. */
export type LaunchDescriptor = Exclude<Descriptor, { readonly kind: "stream" }>;

export interface LaunchRequest extends Omit<SpawnRequest, "descriptors" | "env"> {
  /** The whole environment; by default, the program gets the one that `kumite-launch` was started with. */
  readonly env?: Readonly<Record<string, string>>;
  /** By number in the new program. All others are closed. 0, 1 and 2 default to null. */
  readonly descriptors: Readonly<Record<number, LaunchDescriptor>>;
  /** Descriptor for reporting failures. The program does not get it. */
  readonly status: number;
  /**
   * The parent's expected pid, checked after the parent-death signal is armed: if the parent died before, there would
   * be no signal. Required with `parentDeathSignal`; a mismatch fails with ESRCH in step `prctl`.
   */
  readonly parentPid?: number;
}

/** The failing step: the arguments of a `SystemError`. */
export interface LaunchFailure {
  readonly errno: string;
  readonly call: string;
  readonly subject?: string;
}

/** The name under which the executable acts as the launcher. */
export const launcherName = "kumite-launch";

/** Exit status of `kumite-launch` after a failed step. */
export const launchFailedStatus = 127;
