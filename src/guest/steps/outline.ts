/**
 * What the agent needs to know of a container or of a further process whose set-up is a list of steps. The host computes it,
 * and sends it beside the specification, which then nobody has to read in the guest. Pure.
 */
import { isOutOfMemory } from "../../util/errors.ts";
import { isRecord } from "../../util/json.ts";
import type { CgroupSetting, NamespacePlan, UserNamespacePlan } from "../spec/plan.ts";
import { wrong } from "../spec/wrong.ts";
import { stepsVersion } from "./writer.ts";

export interface ProcessOutline {
  /** Who owns the process's ends of its pipes, by the agent's ids. */
  readonly pipeOwner: number;
  /** Hard limit of descriptors above what a new kernel allows anybody, as text. */
  readonly descriptors?: string | undefined;
  readonly terminal: boolean;
  /** Of a further process: below the container's own. */
  readonly cgroup?: string | undefined;
  /** What was asked for and is not done: one phrase each, for the log. */
  readonly notApplied: readonly string[];
}

export interface ContainerOutline {
  readonly process: ProcessOutline;
  /** As the specification has it; the agent knows the container's id. */
  readonly cgroupsPath: string;
  readonly cgroupSettings: readonly CgroupSetting[];
  readonly cgroupOwner?: number | undefined;
  /** From the host: see device-program.ts. */
  readonly deviceRules?: string;
  readonly namespaces: Pick<NamespacePlan, "create" | "join" | "shared" | "timeOffsets">;
  readonly user?: UserNamespacePlan | undefined;
  readonly personality?: number | undefined;
  readonly ownKeyring: boolean;
  /** Of the file systems that are mounted anew. */
  readonly fileSystems: readonly string[];
}

/** As text for the agent, with the version of the steps that go with it. */
export function encodeOutline(outline: ContainerOutline | ProcessOutline): string {
  return JSON.stringify([stepsVersion, outline]);
}

/**
 * `undefined` for none, and for one of another version. Of ours nothing else is checked: our own host has made it, and what it
 * says is only what a specification could say.
 * @throws KumiteError `oci/spec-invalid` for what is no outline at all
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
  throw wrong("kumite_outline", "is none");
}
