/**
 * What the first process of a container does between its birth and its program. It runs in a fork of the agent: it may
 * make calls and must not wait for events, and it ends with exec or with a report of what failed.
 */
import { umask } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot } from "../../sys/linux/in-root.ts";
import { bringUpLoopback } from "../../sys/linux/interface.ts";
import { setdomainname, sethostname } from "../../sys/linux/machine.ts";
import { O_CLOEXEC, O_PATH } from "../../sys/linux/open-flags.ts";
import { setns, setsid, unshare } from "../../sys/linux/process.ts";
import { resetSignals } from "../../sys/linux/signal.ts";
import { uidOutside } from "../spec/ids-outside.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { ContainerPlan, NamespacePlan } from "../spec/plan.ts";
import { awaitRelease, reportFailure, reportMounted, reportReady } from "./control.ts";
import { closeAllBut, setStandard } from "./descriptors.ts";
import { populateDev } from "./devices.ts";
import { runHooks } from "./hooks.ts";
import { directoryMode, MountRoot } from "./mount-target.ts";
import { mountAll } from "./mounts.ts";
import { limitProgram, prepareProgram, runProgram } from "./program.ts";
import { makePathsReadonly, maskPaths } from "./protect.ts";
import { attachRootfs, enterRootfs } from "./rootfs.ts";
import { readyFilter } from "./seccomp.ts";
import { joinKeyring, setOomScoreAdjustment, setPersonality, setSysctls } from "./settings.ts";
import { step } from "./step.ts";
import { openTerminal } from "./terminal.ts";
import { enterNewUserNamespace, makeAsItsRoot } from "./user-namespace.ts";

export interface ContainerInit {
  readonly plan: ContainerPlan;
  /** Name of its session keyring; `undefined`: the agent's. */
  readonly keyring: string | undefined;
  /** The agent has something to do between its mounts and its root file system. */
  readonly tellsOfMounts: boolean;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error; with a terminal these are only there until it is. */
  readonly standard: readonly [number, number, number];
  /** Opened namespaces, in the order of `plan.namespaces.join`; the pid namespace was joined by being born into it. */
  readonly joined: readonly { readonly fd: number; readonly flag: number; readonly name: string }[];
}

export function initContainer(init: ContainerInit): never {
  try {
    prepareProcess(init);
    enterNamespaces(init);
    const program = buildContainer(init);
    reportReady(init.control);
    awaitRelease(init.control);
    const { startContainer, state } = init.plan.hooks;
    // Their files are the container's, and so is what they may do.
    if (startContainer.length > 0) runHooks(startContainer, "created", state, readyFilter(init.plan.process));
    runProgram(program, init.plan.process);
  } catch (error) {
    reportFailure(init.control, error);
  }
}

function prepareProcess({ plan, keyring, control, standard, joined }: ContainerInit): void {
  resetSignals();
  setStandard(standard);
  closeAllBut([control, ...joined.map(({ fd }) => fd)]);
  setsid();
  joinKeyring(keyring);
  setOomScoreAdjustment(plan.process.oomScoreAdj);
  setPersonality(plan.personality);
}

function enterNamespaces({ plan, joined }: ContainerInit): void {
  const { namespaces, hostname, domainname } = plan;
  for (const { fd, flag, name } of joined) {
    step(`joining the ${name} namespace`, () => setns(fd, flag));
    closeQuietly(fd);
  }
  // Its root is the cgroup we are in: now, not at birth, when we were in the agent's.
  if (makes(namespaces, "cgroup")) step("making the cgroup namespace", () => unshare(namespaceFlag.cgroup));
  if (makes(namespaces, "network")) step("bringing up the loopback interface", bringUpLoopback);
  if (hostname !== undefined) step("setting the host name", () => sethostname(hostname));
  if (domainname !== undefined) step("setting the domain name", () => setdomainname(domainname));
  setSysctls(plan.sysctl);
}

function makes(namespaces: NamespacePlan, name: keyof typeof namespaceFlag): boolean {
  return (namespaces.create & namespaceFlag[name]) !== 0;
}

/** For programs that are not the container's. */
const usualUmask = 0o022;

function buildContainer({ plan, control, tellsOfMounts }: ContainerInit) {
  // Modes are given as they are meant.
  umask(0);
  const { user: userNamespace } = plan.namespaces;
  if (userNamespace !== undefined) makeAsItsRoot(userNamespace);
  const nullFd = open("/dev/null", O_PATH | O_CLOEXEC);
  const rootFd = attachRootfs(plan.rootfs);
  const seal = mountAll(new MountRoot(rootFd), plan.mounts, userNamespace);
  populateDev(rootFd, plan);
  const { terminal, user, cwd } = plan.process;
  if (terminal !== undefined)
    openTerminal({ rootFd, control, plan: terminal, uid: uidOutside(userNamespace, user.uid), console: true });
  closeQuietly(step(`making ${cwd}`, () => makeDirectoriesInRoot(rootFd, cwd, directoryMode)));
  umask(usualUmask);
  if (tellsOfMounts) {
    reportMounted(control);
    awaitRelease(control);
  }
  runHooks(plan.hooks.createContainer, "creating", plan.hooks.state);
  seal();
  makePathsReadonly(rootFd, plan.readonlyPaths);
  maskPaths(rootFd, plan.maskedPaths, nullFd);
  closeQuietly(nullFd);
  enterRootfs(rootFd, plan.rootfs);
  closeQuietly(rootFd);
  limitProgram(plan.process);
  if (userNamespace !== undefined) enterNewUserNamespace(control);
  return prepareProgram(plan.process);
}
