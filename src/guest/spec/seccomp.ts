/** The seccomp filter of a container: compiled by the host, or from the profile in its specification. */
import type { SeccompFilter } from "../../seccomp/filter.ts";
import { instructionBytes, maxInstructions } from "../../seccomp/filter.ts";
import { isRecord } from "../../util/json.ts";
import { wrong } from "./wrong.ts";

/** The fields of a request; an empty program means that the host has compiled none. */
export interface CompiledSeccomp {
  readonly kumiteSeccomp: Uint8Array;
  readonly kumiteSeccompFlags: number;
}

/**
 * Returns the filter that the host has compiled.
 * @throws KumiteError `oci/spec-invalid`
 */
export function givenSeccomp({ kumiteSeccomp, kumiteSeccompFlags }: CompiledSeccomp): SeccompFilter | undefined {
  const { length } = kumiteSeccomp;
  if (length === 0) return undefined;
  if (length % instructionBytes !== 0 || length > maxInstructions * instructionBytes) {
    throw wrong("kumite_seccomp", `is not a program: it has ${length} bytes`);
  }
  // A copy: the request's buffer is large, and the container keeps its filter.
  return { flags: kumiteSeccompFlags, program: kumiteSeccomp.slice() };
}

/**
 * @param document the OCI configuration
 * @throws KumiteError `oci/spec-invalid`, `oci/unsupported`; both name the key
 */
export async function readSeccomp(given: CompiledSeccomp, document: unknown): Promise<SeccompFilter | undefined> {
  const compiled = givenSeccomp(given);
  if (compiled !== undefined) return compiled;
  const linux = isRecord(document) ? document.linux : undefined;
  const seccomp = isRecord(linux) ? linux.seccomp : undefined;
  if (seccomp === undefined || seccomp === null) return undefined;
  // The compiler and its tables are loaded only if the host does not compile.
  const { compileSeccomp } = await import("../../seccomp/compile.ts");
  return compileSeccomp(seccomp);
}
