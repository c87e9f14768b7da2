/**
 * What the agent must know of a container or exec process whose set-up is a list of steps. The host computes this
 * outline and sends it beside the specification, so that the guest need not read the specification. Pure.
 */
import { isOutOfMemory } from "../../util/errors.ts";
import { isRecord } from "../../util/json.ts";
import type { CgroupSetting, NamespacePlan, UserNamespacePlan } from "../spec/plan.ts";
import { wrong } from "../spec/wrong.ts";
import { stepsVersion } from "./writer.ts";

export interface ProcessOutline {
  /** Owner of the process's ends of its pipes, by the agent's ids. */
  readonly pipeOwner: number;
  /** Hard limit of descriptors, as text, if it is above what a freshly booted kernel allows. */
  readonly descriptors?: string | undefined;
  readonly terminal: boolean;
  /** For an exec process: path below the container's own cgroup. */
  readonly cgroup?: string | undefined;
  /** Settings that are accepted but not applied: one phrase each, for the log. */
  readonly notApplied: readonly string[];
}

export interface ContainerOutline {
  readonly process: ProcessOutline;
  /** As in the specification; the agent knows the container's id. */
  readonly cgroupsPath: string;
  readonly cgroupSettings: readonly CgroupSetting[];
  readonly cgroupOwner?: number | undefined;
  /** Set only by the host: see device-program.ts. */
  readonly deviceRules?: string;
  readonly namespaces: Pick<NamespacePlan, "create" | "join" | "shared" | "timeOffsets">;
  readonly user?: UserNamespacePlan | undefined;
  readonly personality?: number | undefined;
  readonly ownKeyring: boolean;
  /** Types of the file systems that are newly mounted. */
  readonly fileSystems: readonly string[];
}

/** The outline as text for the agent, with the version of its steps. */
export function encodeOutline(outline: ContainerOutline | ProcessOutline): string {
  return JSON.stringify([stepsVersion, outline]);
}

/**
 * `undefined` if there is none, or one of another version. Nothing else is checked: a Kumite host has computed it, and
 * it can only ask for what a specification could ask for.
 * @throws KumiteError `oci/spec-invalid` for a malformed outline
 */
export function decodeOutline<Outline extends ContainerOutline | ProcessOutline>(text: string): Outline | undefined {
  if (text === "") return undefined;
  const [version, outline] = parse(text);
  return version === stepsVersion && isRecord(outline) ? (outline as unknown as Outline) : undefined;
}

function parse(text: string): unknown[] {
  try {
    const parsed: unknown = JSON.parse(text);
    if (Array.isArray(parsed)) return parsed;
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
  }
  throw wrong("kumite_outline", "is not an outline");
}
