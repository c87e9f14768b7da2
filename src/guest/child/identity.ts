/**
 * Gives the process its user, groups and capabilities, in an order that leaves each step the privileges it needs.
 * Nothing after that may need the agent's privileges.
 */
import { capget, capset, dropBounding, setgid, setgroups, setuid } from "../../sys/linux/credentials.ts";
import { umask } from "../../sys/linux/directory.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_SET_KEEPCAPS,
  PR_SET_NO_NEW_PRIVS,
  prctl,
  prlimit,
  RLIMIT_NOFILE,
} from "../../sys/linux/process.ts";
import type { CapabilitySets, ProcessPlan, RlimitPlan, UserPlan } from "../spec/plan.ts";
import { keptForFilter } from "./seccomp.ts";
import { step } from "./step.ts";

export function setLimits({ rlimits }: Pick<ProcessPlan, "rlimits">): void {
  if (!rlimits.some(({ resource }) => resource === RLIMIT_NOFILE)) limitDescriptors();
  for (const limit of rlimits) setLimit(limit);
}

export function assumeIdentity(plan: ProcessPlan): void {
  if (plan.noNewPrivileges) step("setting no_new_privs", () => prctl(PR_SET_NO_NEW_PRIVS, 1));
  // The process can keep only what the agent itself has; under the process driver that is not everything.
  const available = capget().permitted;
  step("dropping capabilities", () => dropBounding(allBits ^ (plan.capabilities.bounding & available)));
  step("keeping capabilities", () => prctl(PR_SET_KEEPCAPS, 1));
  becomeUser(plan.user);
  step("setting capabilities", () => setCapabilities(plan.capabilities, available, keptForFilter(plan)));
}

/**
 * The limit that programs expect. The agent's own, which they would inherit, is far above what select(2) can handle.
 */
const usualDescriptors = 1024n;

function limitDescriptors(): void {
  const { hard } = prlimit(0, RLIMIT_NOFILE);
  prlimit(0, RLIMIT_NOFILE, { soft: hard < usualDescriptors ? hard : usualDescriptors, hard });
}

function setLimit({ name, resource, soft, hard }: RlimitPlan): void {
  step(`setting ${name} to ${soft}:${hard}`, () => prlimit(0, resource, { soft, hard }));
}

function becomeUser({ uid, gid, additionalGids, umask: mask }: UserPlan): void {
  step("setting additional groups", () => setgroups(additionalGids));
  step(`becoming group ${gid}`, () => setgid(gid));
  step(`becoming user ${uid}`, () => setuid(uid));
  umask(mask);
}

const allBits = 2n ** 64n - 1n;

/**
 * The numbers of the bits that are set, lowest first. Works on 32-bit halves, since the engine's 64-bit arithmetic is
 * slow.
 */
function numbersIn(set: bigint): number[] {
  const low = Number(set & 0xffff_ffffn);
  const high = Number(set >> 32n);
  const numbers: number[] = [];
  for (let bit = 0; bit < 32; bit++) if (((low >>> bit) & 1) === 1) numbers.push(bit);
  for (let bit = 0; bit < 32; bit++) if (((high >>> bit) & 1) === 1) numbers.push(bit + 32);
  return numbers;
}

/** @param kept additional permitted capabilities, until the program is executed */
function setCapabilities(sets: CapabilitySets, available: bigint, kept: bigint): void {
  const permitted = sets.permitted & available;
  const inheritable = sets.inheritable & available;
  capset({ permitted: permitted | (kept & available), inheritable, effective: sets.effective & permitted });
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  // The kernel refuses an ambient capability that is not both permitted and inheritable.
  const ambient = sets.ambient & permitted & inheritable;
  for (const number of numbersIn(ambient)) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number);
}
