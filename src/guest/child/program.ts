/** The last steps before a process becomes the program: user, directory, environment, executable. */
import { chdir, getcwd } from "../../sys/linux/directory.ts";
import { execve } from "../../sys/linux/process.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { findExecutable } from "./executable.ts";
import { withHome } from "./home.ts";
import { assumeIdentity, setLimits } from "./identity.ts";
import { setScheduling } from "./scheduling.ts";
import { executeFiltered, readyFilter } from "./seccomp.ts";

/** A program that was found, and how to run it. */
export interface Program {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** What only the agent's rights allow: a user namespace has none over it. */
export function limitProgram(plan: ProcessPlan): void {
  setScheduling(plan);
  setLimits(plan);
}

/** In the container's root. Afterwards the process has the rights of its user. */
export function prepareProgram(plan: ProcessPlan): Program {
  // Read with the agent's rights: an image may keep its list of users to itself.
  const env = withHome(plan.env, plan.user.uid);
  // With the agent's rights too, as under runc: a user may be given a directory that it could not enter.
  const entered = enterDirectory(plan.cwd, "may be refused");
  assumeIdentity(plan);
  // The owner of a directory on a share may be let in where the agent is not.
  if (!entered) enterDirectory(plan.cwd, "must be allowed");
  return { path: findExecutable(plan.args[0] ?? "", env), argv: plan.args, env };
}

/** @throws KumiteError `process/executable-not-found`: what was found turned out not to be executable */
export function runProgram(program: Program, plan: ProcessPlan): never {
  try {
    const filter = readyFilter(plan);
    if (filter !== undefined) executeFiltered(program, filter);
    execve(program.path, program.argv, program.env);
  } catch (error) {
    if (isKumiteError(error)) throw error;
    // runc's text, which engines know: `exec /x: exec format error`.
    throw new KumiteError("process/executable-not-found", messageOf(error), { cause: error });
  }
}

/** False when it is not allowed to, and may be refused. */
function enterDirectory(cwd: string, mode: "may be refused" | "must be allowed"): boolean {
  try {
    chdir(cwd);
    // A directory outside of the root has a name that begins with "(unreachable)".
    if (!getcwd().startsWith("/")) throw new KumiteError("agent/failed", "it lies outside of the root file system");
    return true;
  } catch (error) {
    if (mode === "may be refused" && isSystemError(error, "EACCES", "EPERM")) return false;
    const what = `chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed`;
    throw new KumiteError("agent/failed", `${what}: ${messageOf(error)}`, { cause: error });
  }
}
