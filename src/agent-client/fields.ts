/**
 * A configuration in both forms the agent may read: the messages of the protocol, which every agent knows, and the whole
 * JSON in field 1000, for what the messages lack (see design §2).
 */
import type { OciProcess, OciResources, OciSpec } from "../oci/spec.ts";
import { LinuxResources, Process, Spec } from "../protocol/gen/kata/oci.ts";
import { encodeMessage } from "../protocol/ttrpc/service.ts";
import { compileSeccomp } from "../seccomp/compile.ts";
import { processMessage } from "./oci-process.ts";
import { resourcesMessage } from "./oci-resources.ts";
import { specMessage } from "./oci-spec.ts";

export interface SpecFields {
  /** An encoded `Spec`. */
  readonly OCI: Uint8Array;
  readonly kumiteOciJson: string;
  readonly kumiteSeccomp?: Uint8Array;
  readonly kumiteSeccompFlags?: number;
}

export interface ProcessFields {
  /** An encoded `Process`. */
  readonly process: Uint8Array;
  readonly kumiteOciJson: string;
}

export interface ResourcesFields {
  /** An encoded `LinuxResources`. */
  readonly resources: Uint8Array;
  readonly kumiteOciJson: string;
}

/**
 * @param spec checked before, see oci/validate.ts
 * @throws KumiteError `oci/spec-invalid`, `oci/unsupported` for `linux.seccomp`
 */
export function specFields(spec: OciSpec): SpecFields {
  const OCI = encodeMessage(Spec, specMessage(spec));
  const { seccomp, ...linux } = spec.linux ?? {};
  if (seccomp === undefined) return { OCI, kumiteOciJson: JSON.stringify(spec) };
  // Compiled here: an emulated guest takes fifty times as long, and as long again to read the profile.
  const { program, flags } = compileSeccomp(seccomp);
  return { OCI, kumiteOciJson: JSON.stringify({ ...spec, linux }), kumiteSeccomp: program, kumiteSeccompFlags: flags };
}

/** @param process checked before, see oci/validate.ts */
export function processFields(process: OciProcess): ProcessFields {
  return { process: encodeMessage(Process, processMessage(process)), kumiteOciJson: JSON.stringify(process) };
}

/** @param resources checked before, see oci/validate.ts */
export function resourcesFields(resources: OciResources): ResourcesFields {
  const message = encodeMessage(LinuxResources, resourcesMessage(resources));
  return { resources: message, kumiteOciJson: JSON.stringify(resources) };
}
