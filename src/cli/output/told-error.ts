/**
 * An error as the verbs tell it: with the phase that failed and what to do next, also where who raised it could say
 * neither. Knows codes, not causes.
 */
import { type ErrorCode, isSystemError, KumiteError, SystemError } from "../../util/errors.ts";

/** @param phase for an error that names none: the verb, or what was going on instead */
export function toldError(error: unknown, phase: string): unknown {
  if (error instanceof SystemError) {
    const hint = rightsHint(error);
    const facts = { phase, cause: error.cause, ...(hint !== undefined && { hint }) };
    return new KumiteError("system/failed", error.message, facts);
  }
  if (!(error instanceof KumiteError)) return error;
  const hint = error.hint ?? innerHint(error) ?? rightsHint(error) ?? hints[error.code];
  return new KumiteError(error.code, error.message, {
    phase: error.phase ?? phase,
    ...(hint !== undefined && { hint }),
    data: error.data,
    cause: error.cause,
  });
}

function innerHint(error: KumiteError): string | undefined {
  return chain(error).find((at): at is KumiteError => at instanceof KumiteError && at.hint !== undefined)?.hint;
}

/** Of an error that began with a refusal of the host: whoever is root there, with all capabilities, hardly meets one. */
function rightsHint(error: Error): string | undefined {
  if (!chain(error).some((at) => isSystemError(at, "EACCES", "EPERM"))) return undefined;
  return "run it as root of the host; `kumite check` tells which rights are missing";
}

/** The error, and what caused it, outermost first. */
function chain(error: Error): Error[] {
  const errors: Error[] = [];
  for (let at: unknown = error; at instanceof Error && errors.length < 8; at = at.cause) errors.push(at);
  return errors;
}

/** For errors that are raised where nobody knows what a caller of the verbs could do. */
const hints: { readonly [Code in ErrorCode]?: string } = {
  "usage/invalid": "see `kumite help`",
  "oci/bundle-invalid": "a bundle is a directory with config.json and a root file system",
  "oci/spec-invalid": "correct the file; `kumite spec` writes one to compare with",
  "oci/unsupported": "leave it out of config.json",
  "config/invalid": "correct the file, or name another with --config",
  "process/executable-not-found": "look at process.args and at what is in the root file system",
  "agent/timeout": "look at the console, or give the machine more time or memory in the configuration",
  "agent/unreachable": "look at the console, and run again with --debug --log FILE",
  "hypervisor/exited": "look at the console, and run again with --debug --log FILE",
  "hypervisor/start-failed": "run again with --debug --log FILE",
  "shim/start-failed": "run again with --debug --log FILE",
  "protocol/closed": "run again with --debug --log FILE",
  timeout: "try again when the machine is less busy",
};
