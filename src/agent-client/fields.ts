/**
 * A configuration in the forms that agents read: the messages of the protocol, which every agent knows; the whole JSON
 * in field 1000, for what the messages lack; and for Kumite's own agent the result of interpreting the JSON, which
 * takes an emulated guest fifty times as long.
 */

import { deviceProgram, deviceRulesText } from "../guest/cgroup/device-program.ts";
import { readContainer } from "../guest/spec/container.ts";
import { Fields } from "../guest/spec/fields.ts";
import { readProcess } from "../guest/spec/process.ts";
import { containerSteps } from "../guest/steps/container-steps.ts";
import { containerOutline, processOutline } from "../guest/steps/make-outline.ts";
import { encodeOutline } from "../guest/steps/outline.ts";
import { execSteps } from "../guest/steps/process-steps.ts";
import type { OciProcess, OciResources, OciSpec } from "../oci/spec.ts";
import { LinuxResources, Process, Spec } from "../protocol/gen/kata/oci.ts";
import { encodeMessage } from "../protocol/ttrpc/service.ts";
import { compileSeccomp } from "../seccomp/compile.ts";
import { isKumiteError } from "../util/errors.ts";
import { processMessage } from "./oci-process.ts";
import { resourcesMessage } from "./oci-resources.ts";
import { specMessage } from "./oci-spec.ts";

export interface SpecFields {
  /** An encoded `Spec`. */
  readonly OCI: Uint8Array;
  readonly kumiteOciJson: string;
  readonly kumiteSeccomp?: Uint8Array;
  readonly kumiteSeccompFlags?: number;
  readonly kumiteOutline?: string;
  readonly kumiteSteps?: Uint8Array;
  readonly kumiteDeviceProgram?: Uint8Array;
}

export interface ProcessFields {
  /** An encoded `Process`. */
  readonly process: Uint8Array;
  readonly kumiteOciJson: string;
  readonly kumiteOutline?: string;
  readonly kumiteSteps?: Uint8Array;
}

export interface ResourcesFields {
  /** An encoded `LinuxResources`. */
  readonly resources: Uint8Array;
  readonly kumiteOciJson: string;
}

/**
 * @param spec already validated, see oci/validate.ts
 * @throws KumiteError `oci/spec-invalid`, `oci/unsupported` for `linux.seccomp`
 */
export function specFields(spec: OciSpec): SpecFields {
  const OCI = encodeMessage(Spec, specMessage(spec));
  const { seccomp, ...linux } = spec.linux ?? {};
  const plain = seccomp === undefined ? spec : { ...spec, linux };
  const fields = { OCI, kumiteOciJson: JSON.stringify(plain), ...readFields(plain) };
  if (seccomp === undefined) return fields;
  // Compiled here: an emulated guest takes fifty times as long, and as long again to parse the profile.
  const { program, flags } = compileSeccomp(seccomp);
  return { ...fields, kumiteSeccomp: program, kumiteSeccompFlags: flags };
}

/** Stands for the container's id, which matters only in errors and in the default cgroup path. */
const anyId = "id";

/** What the agent would derive from the specification. Empty if the agent must do that or report an error. */
function readFields(spec: OciSpec): Partial<SpecFields> {
  try {
    const plan = readContainer(spec, anyId);
    const kumiteSteps = containerSteps(plan);
    if (kumiteSteps === undefined) return {};
    const { devices } = plan.cgroup;
    const cgroupsPath = spec.linux?.cgroupsPath ?? "";
    return {
      kumiteOutline: encodeOutline({ ...containerOutline(plan), cgroupsPath, deviceRules: deviceRulesText(devices) }),
      kumiteSteps,
      kumiteDeviceProgram: deviceProgram(devices),
    };
  } catch (error) {
    if (isKumiteError(error)) return {};
    throw error;
  }
}

/** @param process already validated, see oci/validate.ts */
export function processFields(process: OciProcess): ProcessFields {
  const message = encodeMessage(Process, processMessage(process));
  return { process: message, kumiteOciJson: JSON.stringify(process), ...readProcessFields(process) };
}

function readProcessFields(process: OciProcess): Partial<ProcessFields> {
  try {
    const notApplied: string[] = [];
    const fields = new Fields(process, "process");
    const plan = readProcess(fields, (phrase) => notApplied.push(phrase));
    const kumiteSteps = execSteps(plan);
    if (kumiteSteps === undefined) return {};
    const outline = { ...processOutline(plan, undefined, notApplied), cgroup: fields.text("kumiteCgroup") };
    return { kumiteOutline: encodeOutline(outline), kumiteSteps };
  } catch (error) {
    if (isKumiteError(error)) return {};
    throw error;
  }
}

/** @param resources already validated, see oci/validate.ts */
export function resourcesFields(resources: OciResources): ResourcesFields {
  const message = encodeMessage(LinuxResources, resourcesMessage(resources));
  return { resources: message, kumiteOciJson: JSON.stringify(resources) };
}
