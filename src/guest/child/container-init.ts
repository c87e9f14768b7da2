/**
 * What the first process of a container does between its fork and its program. It runs in a fork of the agent: it may
 * make system calls but must not wait for events. It ends with exec, or with a report of what failed.
 */
import { umask } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { makeDirectoriesInRoot } from "../../sys/linux/in-root.ts";
import { bringUpLoopback } from "../../sys/linux/interface.ts";
import { setdomainname, sethostname } from "../../sys/linux/machine.ts";
import { O_CLOEXEC, O_PATH } from "../../sys/linux/open-flags.ts";
import { setns, setsid, unshare } from "../../sys/linux/process.ts";
import { resetSignals } from "../../sys/linux/signal.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
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
  /** Name of the session keyring to join; `undefined`: keeps the agent's. */
  readonly keyring: string | undefined;
  /** Whether the agent has something to do after the mounts are made and before the root file system is entered. */
  readonly tellsOfMounts: boolean;
  /** Socket to the agent. */
  readonly control: number;
  /** Standard input, output and error; with a terminal these are placeholders until the terminal is open. */
  readonly standard: readonly [number, number, number];
  /**
   * Opened namespaces, in the order of `plan.namespaces.join`. The pid namespace is not among them: the process was
   * created in it.
   */
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
    // These hooks run the container's own files, with the permissions of its program.
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
  // The root of a cgroup namespace is the cgroup of the process that creates it. At the fork that was still the
  // agent's.
  if (makes(namespaces, "cgroup")) step("making the cgroup namespace", () => unshare(namespaceFlag.cgroup));
  if (makes(namespaces, "network")) step("bringing up the loopback interface", bringUpLoopback);
  if (hostname !== undefined) step("setting the host name", () => sethostname(hostname));
  if (domainname !== undefined) step("setting the domain name", () => setdomainname(domainname));
  setSysctls(plan.sysctl);
}

function makes(namespaces: NamespacePlan, name: keyof typeof namespaceFlag): boolean {
  return (namespaces.create & namespaceFlag[name]) !== 0;
}

/** The umask of programs that are not the container's. */
const usualUmask = 0o022;

function buildContainer({ plan, control, tellsOfMounts }: ContainerInit) {
  // Modes of created files are exactly those given.
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
  makeWorkingDirectory(rootFd, cwd);
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

function makeWorkingDirectory(rootFd: number, cwd: string): void {
  step(`process.cwd: making ${cwd}`, () => {
    try {
      closeQuietly(makeDirectoriesInRoot(rootFd, cwd, directoryMode));
    } catch (error) {
      if (!isSystemError(error, "ENOTDIR")) throw error;
      const fault = `${JSON.stringify(cwd)} is or lies below a file that is not a directory`;
      throw new KumiteError("oci/spec-invalid", `process.cwd: ${fault}`, { cause: error });
    }
  });
}
