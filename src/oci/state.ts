/**
 * The state of a container as the OCI runtime specification defines it (runtime.md, State), plus "paused", which runc
 * added and engines know.
 */

export type OciStatus = "creating" | "created" | "running" | "paused" | "stopped";

/** Version of the runtime specification that the state follows. */
export const ociVersion = "1.1.0";

export interface OciState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: OciStatus;
  /** The relay's pid; 0 when stopped. */
  readonly pid: number;
  /** Absolute path. */
  readonly bundle: string;
  readonly annotations?: Readonly<Record<string, string>>;
}
