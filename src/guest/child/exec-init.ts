/**
 * What an exec process does between its fork and its program. As in container-init.ts, it is a fork of the agent,
 * created in the container's pid namespace and cgroup.
 */
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../sys/linux/open-flags.ts";
import { setns, setsid } from "../../sys/linux/process.ts";
import { resetSignals } from "../../sys/linux/signal.ts";
import { uidOutside } from "../spec/ids-outside.ts";
import type { ProcessPlan, UserNamespacePlan } from "../spec/plan.ts";
import { reportFailure } from "./control.ts";
import { closeAllBut, setStandard } from "./descriptors.ts";
import { enteredNamespaces } from "./entered-namespaces.ts";
import { limitProgram, prepareProgram, runProgram } from "./program.ts";
import { setAffinity } from "./scheduling.ts";
import { joinKeyring, setOomScoreAdjustment, setPersonality } from "./settings.ts";
import { step } from "./step.ts";
import { openTerminal } from "./terminal.ts";
import { joinUserNamespace } from "./user-namespace.ts";

export interface ExecInit {
  readonly plan: ProcessPlan;
  /** The container's personality. */
  readonly personality: number | undefined;
  /** Name of the container's session keyring; `undefined`: the agent's. */
  readonly keyring: string | undefined;
  /**
   * Whether the container has a time namespace other than the agent's. The flag is needed because a kernel may lack
   * them.
   */
  readonly hasOwnTime: boolean;
  /** The container's own user namespace, if it has one. */
  readonly user: UserNamespacePlan | undefined;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error; with a terminal these are placeholders until the terminal is open. */
  readonly standard: readonly [number, number, number];
  /** pidfd of the container's first process, whose namespaces are entered. */
  readonly firstProcess: number;
}

export function initExec(init: ExecInit): never {
  const { plan, personality, keyring, hasOwnTime, user, control, standard, firstProcess } = init;
  try {
    resetSignals();
    setStandard(standard);
    closeAllBut([control, firstProcess]);
    setsid();
    joinKeyring(keyring);
    setOomScoreAdjustment(plan.oomScoreAdj);
    setPersonality(personality);
    step("entering the container", () => setns(firstProcess, enteredNamespaces(hasOwnTime)));
    if (plan.terminal !== undefined) {
      const rootFd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
      openTerminal({ rootFd, control, plan: plan.terminal, uid: uidOutside(user, plan.user.uid), console: false });
      closeQuietly(rootFd);
    }
    setAffinity(plan);
    limitProgram(plan);
    if (user === undefined) closeQuietly(firstProcess);
    else joinUserNamespace(firstProcess);
    runProgram(prepareProgram(plan), plan);
  } catch (error) {
    reportFailure(control, error);
  }
}
