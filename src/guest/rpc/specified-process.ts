/** Reads the specification of an exec process, as specified-container.ts does for a container. */
import type { ExecProcessRequest } from "../../protocol/gen/kata/agent.ts";
import type { Container } from "../container/container.ts";
import type { ExecRequest } from "../container/exec.ts";
import { Fields } from "../spec/fields.ts";
import { checkMapped } from "../spec/id-mappings.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { readProcess } from "../spec/process.ts";
import { processOutline } from "../steps/make-outline.ts";
import { jsonDocument, messageDocument } from "./request.ts";

export type What = Pick<ExecRequest, "outline" | "steps" | "plan" | "cgroup">;

/** @throws KumiteError `oci/spec-invalid`, `oci/unsupported`; both name the key */
export function planOf(document: unknown): ProcessPlan {
  return readProcess(new Fields(document, "process"), () => {});
}

export async function specified(request: ExecProcessRequest, { user }: Container): Promise<What> {
  const document = jsonDocument(request.kumiteOciJson) ?? (await messageDocument("process", request.process));
  const notApplied: string[] = [];
  const fields = new Fields(document, "process");
  const plan = readProcess(fields, (phrase) => notApplied.push(phrase));
  checkMapped(plan.user, user);
  const outline = processOutline(plan, user, notApplied);
  return { outline, steps: undefined, plan: async () => plan, cgroup: fields.text("kumiteCgroup") };
}
