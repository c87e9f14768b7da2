/** The failure of a change of a running machine. */
import { type ErrorDetail, KumiteError } from "../../../util/errors.ts";

export function plugFailed(message: string, detail: ErrorDetail = {}): KumiteError {
  return new KumiteError("hypervisor/plug-failed", message, { phase: "hypervisor.plug", ...detail });
}
