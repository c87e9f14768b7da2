/**
 * What `kumite-launch` is told: the set-up of one process between its birth and its exec.
 * Shared by whoever starts it (Node, through a child process) and by the engine's own `spawn`. Data and checks only.
 *
 * The contract of the executable, for its caller:
 * - started as `kumite-launch <request as JSON>`, or `kumite-launch fd:N` to read the JSON from descriptor N up to its
 *   end (for requests that outgrow an argument, 128 KiB, or hold secrets: arguments are world-readable);
 * - starts the companions, if there are any;
 * - does the steps in this order: descriptors are opened, bound and connected, cgroups joined, namespace joined, session,
 *   directory, bounding set, user, capabilities, parent-death signal, no_new_privs, descriptors put in place and all
 *   others closed, exec;
 * - on failure it writes one line of JSON, a `LaunchFailure`, to the descriptor `status` and exits with 127;
 * - when the exec succeeds, `status` reaches its end without a byte (it is close-on-exec).
 */
import type { Descriptor, SpawnRequest } from "../os.ts";

/** Like `Descriptor`; a stream arrives as an inherited end of a socket pair. `inherit.fd` may equal its own number. */
export type LaunchDescriptor = Exclude<Descriptor, { readonly kind: "stream" }>;

export interface LaunchRequest extends Omit<SpawnRequest, "descriptors" | "env"> {
  /** The whole environment; without it the program gets the one `kumite-launch` was started with. */
  readonly env?: Readonly<Record<string, string>>;
  /** By number in the new program; what is not listed is closed. 0, 1 and 2 default to null. */
  readonly descriptors: Readonly<Record<number, LaunchDescriptor>>;
  /** Descriptor for the outcome. It never reaches the program. */
  readonly status: number;
  /**
   * Pid that the parent must have when the parent-death signal is armed: a parent that died earlier would go
   * unnoticed. Obligatory with `parentDeathSignal`; a mismatch fails with ESRCH in step `prctl`.
   */
  readonly parentPid?: number;
}

/** The failing step: the arguments of a `SystemError`. */
export interface LaunchFailure {
  readonly errno: string;
  readonly call: string;
  readonly subject?: string;
}

/** The name that the executable is called by. */
export const launcherName = "kumite-launch";

/** Exit status of `kumite-launch` after a failed step. */
export const launchFailedStatus = 127;
