/**
 * The step from a new process to its program under a seccomp filter: the last one, so that a profile has to allow execve
 * and nothing of what the agent did before.
 *
 * Without no_new_privs only CAP_SYS_ADMIN may set a filter. It is kept for that among the permitted capabilities, which do
 * not outlive execve: the program's are made of the bounding, inheritable and ambient sets (capabilities(7)).
 */
import { capget, capset } from "../../sys/linux/credentials.ts";
import { execveFiltered, type ProgramFilter } from "../../sys/linux/process.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import type { Program } from "./program.ts";
import { step } from "./step.ts";

const CAP_SYS_ADMIN = 1n << 21n;

/** Capabilities to keep permitted until then. */
export function keptForFilter({ seccomp, noNewPrivileges }: ProcessPlan): bigint {
  return seccomp === undefined || noNewPrivileges ? 0n : CAP_SYS_ADMIN;
}

/** The filter, which this process may set from now on. */
export function readyFilter({ seccomp, noNewPrivileges }: ProcessPlan): ProgramFilter | undefined {
  if (seccomp === undefined) return undefined;
  if (!noNewPrivileges) step("raising CAP_SYS_ADMIN for the seccomp filter", raiseAdmin);
  return seccomp;
}

/** Returns only by throwing: the error of execve when the filter was set. */
export function executeFiltered({ path, argv, env }: Program, filter: ProgramFilter): never {
  try {
    execveFiltered(filter, path, argv, env);
  } catch (error) {
    if (!isSystemError(error) || error.call !== "seccomp") throw error;
    throw new KumiteError("agent/failed", `setting the seccomp filter: ${error.message}`, { cause: error });
  }
}

function raiseAdmin(): void {
  const sets = capget();
  capset({ ...sets, effective: sets.effective | CAP_SYS_ADMIN });
}
