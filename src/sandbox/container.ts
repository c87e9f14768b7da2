/** A container of a sandbox: what it was made from, and its own process. Its state is that of this process. */
import type { Bundle } from "../oci/bundle.ts";
import type { OciResources } from "../oci/spec.ts";
import type { OciStatus } from "../oci/state.ts";
import { KumiteError } from "../util/errors.ts";
import type { SandboxProcess } from "./process.ts";

export interface Container {
  readonly id: string;
  readonly bundle: Bundle;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly process: SandboxProcess;
  /** Its limits, as the last update left them; rules of devices are not among them. */
  resources: OciResources;
}

export function statusOf({ process }: Container): OciStatus {
  const { phase } = process.state;
  switch (phase) {
    case "creating":
    case "created":
    case "running":
    case "paused":
    case "stopped":
      return phase;
    case "starting":
      return "created";
  }
}

export function wrongState(container: Container, message: string, hint?: string): KumiteError {
  return new KumiteError("container/wrong-state", message, {
    data: { id: container.id, status: statusOf(container) },
    ...(hint === undefined ? {} : { hint }),
  });
}
