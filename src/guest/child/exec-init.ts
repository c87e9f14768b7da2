/**
 * What a further process of a container does between its birth and its program. Like container-init.ts, a fork of the
 * agent, born in the container's pid namespace and cgroup.
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
  /** The container's. */
  readonly personality: number | undefined;
  /** Name of the container's session keyring; `undefined`: the agent's. */
  readonly keyring: string | undefined;
  /** It is in a time namespace that is not the agent's: a kernel may have none. */
  readonly hasOwnTime: boolean;
  /** It is in a user namespace of its own. */
  readonly user: UserNamespacePlan | undefined;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error; with a terminal these are only there until it is. */
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
