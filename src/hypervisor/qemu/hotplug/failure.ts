/** The error of a failed change to a running VM. */
import { type ErrorDetail, KumiteError } from "../../../util/errors.ts";

export function plugFailed(message: string, detail: ErrorDetail = {}): KumiteError {
  return new KumiteError("hypervisor/plug-failed", message, { phase: "hypervisor.plug", ...detail });
}
