/**
 * Completes an error for the report: adds the failed phase and a hint if the code that raised the error could not give
 * them. Knows error codes, not causes.
 */
import { type ErrorCode, errorChain, isOutOfMemory, KumiteError, SystemError } from "../../util/errors.ts";
import { hostHint } from "../../util/host-hint.ts";

/** The phase until the verb is known. */
export const argumentsPhase = "arguments";

/** @param phase for an error that names none: the verb, or what was happening instead */
export function toldError(error: unknown, phase: string): unknown {
  if (isOutOfMemory(error)) {
    const hint = "raise the caller's limit of memory or address space (`ulimit -v`), or free memory on the host";
    return new KumiteError("system/failed", "out of memory", { phase, hint });
  }
  if (error instanceof SystemError) {
    const hint = hostHint(error);
    const facts = { phase, cause: error.cause, ...(hint !== undefined && { hint }) };
    return new KumiteError("system/failed", error.message, facts);
  }
  if (!(error instanceof KumiteError)) return error;
  const hint = error.hint ?? innerHint(error) ?? hostHint(error) ?? hintOfCode(error.code, phase);
  return new KumiteError(error.code, error.message, {
    phase: error.phase ?? phase,
    ...(hint !== undefined && { hint }),
    data: error.data,
    cause: error.cause,
  });
}

function innerHint(error: KumiteError): string | undefined {
  return errorChain(error).find((at): at is KumiteError => at instanceof KumiteError && at.hint !== undefined)?.hint;
}

function hintOfCode(code: ErrorCode, phase: string): string | undefined {
  if (code !== "usage/invalid") return hints[code];
  return phase === argumentsPhase ? "see `kumite help`" : `see \`kumite ${phase} --help\``;
}

/** For errors raised by code that cannot know what a caller of the verbs can do. */
const hints: { readonly [Code in ErrorCode]?: string } = {
  "oci/bundle-invalid": "a bundle is a directory with config.json and a root file system",
  "oci/spec-invalid": "correct the file; `kumite spec` writes one to compare with",
  "oci/unsupported": "remove it from config.json",
  "config/invalid": "correct the file, or name another with --config",
  "process/executable-not-found": "check process.args and that the program is in the root file system",
  "agent/timeout": "look at the console lines, or give the VM more time or memory in the configuration",
  "agent/unreachable": "look at the console lines, and run again with --debug --log FILE",
  "hypervisor/exited": "look at the console lines, and run again with --debug --log FILE",
  "hypervisor/start-failed": "run again with --debug --log FILE",
  "shim/start-failed": "run again with --debug --log FILE",
  "protocol/closed": "run again with --debug --log FILE",
  timeout: "try again when the host is less busy",
};
