/** The last steps before a process becomes its program: user, working directory, environment, executable. */
import { chdir, getcwd } from "../../sys/linux/directory.ts";
import { execve } from "../../sys/linux/process.ts";
import { isKumiteError, isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import { findExecutable } from "./executable.ts";
import { withHome } from "./home.ts";
import { assumeIdentity, setLimits } from "./identity.ts";
import { setScheduling } from "./scheduling.ts";
import { executeFiltered, readyFilter } from "./seccomp.ts";

/** A program whose executable was found, and how to run it. */
export interface Program {
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** Sets what needs the agent's privileges: those of a user namespace do not suffice. */
export function limitProgram(plan: ProcessPlan): void {
  setScheduling(plan);
  setLimits(plan);
}

/** Must be called in the container's root. Afterwards the process has the privileges of its user. */
export function prepareProgram(plan: ProcessPlan): Program {
  // Read with the agent's privileges, since an image may have a passwd file that the user cannot read.
  const env = withHome(plan.env, plan.user.uid);
  // Also with the agent's privileges, as under runc: the directory may be one that the user could not enter.
  const entered = enterDirectory(plan.cwd, "may be refused");
  assumeIdentity(plan);
  // On a shared directory, the owner may have access where the agent has none.
  if (!entered) enterDirectory(plan.cwd, "must be allowed");
  return { path: findExecutable(plan.args[0] ?? "", env), argv: plan.args, env };
}

/** @throws KumiteError `process/executable-not-found` when the kernel cannot execute the file */
export function runProgram(program: Program, plan: ProcessPlan): never {
  try {
    const filter = readyFilter(plan);
    if (filter !== undefined) executeFiltered(program, filter);
    execve(program.path, program.argv, program.env);
  } catch (error) {
    if (isKumiteError(error)) throw error;
    // runc's wording, which engines recognise: `exec /x: exec format error`.
    throw new KumiteError("process/executable-not-found", messageOf(error), { cause: error });
  }
}

/** Returns false if access is denied and `mode` permits that. */
function enterDirectory(cwd: string, mode: "may be refused" | "must be allowed"): boolean {
  try {
    chdir(cwd);
    // The path of a directory outside the root begins with "(unreachable)".
    if (!getcwd().startsWith("/")) throw new KumiteError("agent/failed", "it lies outside of the root file system");
    return true;
  } catch (error) {
    if (mode === "may be refused" && isSystemError(error, "EACCES", "EPERM")) return false;
    const what = `chdir to cwd (${JSON.stringify(cwd)}) set in config.json failed`;
    throw new KumiteError("agent/failed", `${what}: ${messageOf(error)}`, { cause: error });
  }
}
