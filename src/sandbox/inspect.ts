/** The state of a container as callers see it. */
import type { OciState } from "../oci/state.ts";
import { ociVersion } from "../oci/state.ts";
import { type Container, statusOf } from "./container.ts";

export function ociStateOf(container: Container): OciState {
  const { id, bundle, process } = container;
  const status = statusOf(container);
  return {
    ociVersion,
    id,
    status,
    pid: status === "stopped" ? 0 : process.relay.pid,
    bundle: bundle.path,
    annotations: bundle.spec.annotations ?? {},
  };
}
