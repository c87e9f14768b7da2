/**
 * The steps of a process from its limits to its program, and all steps of an exec process. `undefined` if something is
 * needed for which there is no step (child/program.ts, child/exec-init.ts). Pure.
 */
import type { ProcessPlan } from "../spec/plan.ts";
import { StepWriter, step } from "./writer.ts";

/** Limits of the C host's arrays. */
const [maxGroups, maxTexts] = [64, 4096];
/** A larger list would be copied in vain if the agent's own code has to do the set-up after all. */
export const maxStepsBytes = 128 * 1024;

const RLIMIT_NOFILE = 7;

export function isUsualProcess(plan: ProcessPlan): boolean {
  const { terminal, scheduler, ioPriority, args, env, user } = plan;
  if (terminal !== undefined || scheduler !== undefined || ioPriority !== undefined) return false;
  if (user.additionalGids.length > maxGroups || args.length > maxTexts || env.length > maxTexts) return false;
  return candidates(plan).length > 0;
}

/** Steps of an exec process, which never waits for a start. */
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

/** Must come while the guest's own /proc is visible. */
export function addOomScore(steps: StepWriter, { oomScoreAdj }: ProcessPlan): void {
  if (oomScoreAdj !== undefined) steps.add(step.write, "/proc/self/oom_score_adj", String(oomScoreAdj));
}

export function addLimits(steps: StepWriter, { rlimits }: ProcessPlan): void {
  if (!rlimits.some(({ resource }) => resource === RLIMIT_NOFILE)) steps.add(step.usualDescriptors);
  for (const { resource, soft, hard } of rlimits) steps.add(step.limit, resource, soft, hard);
}

/** Runs in the container's root. Files there are read with the agent's privileges. */
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

/** As in child/home.ts: an empty HOME counts as missing. */
function hasHome({ env }: ProcessPlan): boolean {
  const given = env.findLast((entry) => entry.startsWith("HOME="));
  return given !== undefined && given !== "HOME=";
}

/** As in child/executable.ts: the files that the program's name may stand for. */
function candidates({ args, env }: ProcessPlan): string[] {
  const name = args[0] ?? "";
  if (name.includes("/")) return [name];
  const path = env.findLast((text) => text.startsWith("PATH="))?.slice("PATH=".length) ?? "";
  return path === "" ? [] : path.split(":").map((directory) => `${directory === "" ? "." : directory}/${name}`);
}
