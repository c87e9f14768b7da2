/**
 * Executes a program under a seccomp filter. Setting the filter is the last step before execve, so a profile must allow
 * execve but none of the agent's calls before it.
 *
 * Without no_new_privs, only CAP_SYS_ADMIN may set a filter. The process keeps it among its permitted capabilities,
 * which execve replaces by those computed from the bounding, inheritable and ambient sets (capabilities(7)).
 */
import { capget, capset } from "../../sys/linux/credentials.ts";
import { execveFiltered, type ProgramFilter } from "../../sys/linux/process.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { ProcessPlan } from "../spec/plan.ts";
import type { Program } from "./program.ts";
import { step } from "./step.ts";

const CAP_SYS_ADMIN = 1n << 21n;

/** The capabilities to keep permitted until the filter is set. */
export function keptForFilter({ seccomp, noNewPrivileges }: ProcessPlan): bigint {
  return seccomp === undefined || noNewPrivileges ? 0n : CAP_SYS_ADMIN;
}

/** Returns the filter, after making this process able to set it. */
export function readyFilter({ seccomp, noNewPrivileges }: ProcessPlan): ProgramFilter | undefined {
  if (seccomp === undefined) return undefined;
  if (!noNewPrivileges) step("raising CAP_SYS_ADMIN for the seccomp filter", raiseAdmin);
  return seccomp;
}

/** Never returns; once the filter is set, it throws the error of execve. */
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
