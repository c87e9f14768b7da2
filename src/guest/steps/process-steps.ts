/**
 * The steps of a process from its limits to its program, and all those of a further process in a container; `undefined`
 * where the agent has to do something that is no step (child/program.ts, child/exec-init.ts). Pure.
 */
import type { ProcessPlan } from "../spec/plan.ts";
import { StepWriter, step } from "./writer.ts";

/** As the C host has room for. */
const [maxGroups, maxTexts] = [64, 4096];
/** Further ones are copied for nothing, should the agent's own way be the one. */
export const maxStepsBytes = 128 * 1024;

const RLIMIT_NOFILE = 7;

export function isUsualProcess(plan: ProcessPlan): boolean {
  const { terminal, scheduler, ioPriority, args, env, user } = plan;
  if (terminal !== undefined || scheduler !== undefined || ioPriority !== undefined) return false;
  if (user.additionalGids.length > maxGroups || args.length > maxTexts || env.length > maxTexts) return false;
  return candidates(plan).length > 0;
}

/** Of a further process; it never waits. */
export function execSteps(plan: ProcessPlan): Uint8Array | undefined {
  if (!isUsualProcess(plan) || plan.affinity !== undefined) return undefined;
  const steps = new StepWriter();
  addOomScore(steps, plan);
  steps.add(step.enterContainer);
  addLimits(steps, plan);
  addProgram(steps, plan);
  addExecution(steps, plan);
  const bytes = steps.bytes();
  return bytes.length > maxStepsBytes ? undefined : bytes;
}

/** While the guest's own /proc is in sight. */
export function addOomScore(steps: StepWriter, { oomScoreAdj }: ProcessPlan): void {
  if (oomScoreAdj !== undefined) steps.add(step.write, "/proc/self/oom_score_adj", String(oomScoreAdj));
}

export function addLimits(steps: StepWriter, { rlimits }: ProcessPlan): void {
  if (!rlimits.some(({ resource }) => resource === RLIMIT_NOFILE)) steps.add(step.usualDescriptors);
  for (const { resource, soft, hard } of rlimits) steps.add(step.limit, resource, soft, hard);
}

/** In the container's root; what is read there is read with the agent's rights. */
export function addProgram(steps: StepWriter, plan: ProcessPlan): void {
  const { user, capabilities, cwd } = plan;
  if (!hasHome(plan)) steps.add(step.home, user.uid);
  steps.add(step.workingDirectory, cwd);
  const { bounding, permitted, inheritable, effective, ambient } = capabilities;
  const sets = [bounding, permitted, inheritable, effective, ambient] as const;
  steps.add(step.identity, plan.noNewPrivileges, ...sets, user.additionalGids, user.gid, user.uid, user.umask);
  steps.add(step.executable, candidates(plan));
}

export function addExecution(steps: StepWriter, plan: ProcessPlan): void {
  const { args, env } = plan;
  steps.add(step.execute, args, hasHome(plan) ? env : env.filter((entry) => !entry.startsWith("HOME=")));
}

/** As child/home.ts: an empty one is none. */
function hasHome({ env }: ProcessPlan): boolean {
  const given = env.findLast((entry) => entry.startsWith("HOME="));
  return given !== undefined && given !== "HOME=";
}

/** As child/executable.ts: the files that its name may stand for. */
function candidates({ args, env }: ProcessPlan): string[] {
  const name = args[0] ?? "";
  if (name.includes("/")) return [name];
  const path = env.findLast((text) => text.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return path === "" ? [] : path.split(":").map((directory) => `${directory === "" ? "." : directory}/${name}`);
}
