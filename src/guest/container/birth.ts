/**
 * The birth of a process: a fork of the agent in its namespaces and cgroup, with a socket over which it says how its
 * set-up goes. What the fork does is the caller's; what the agent sees of it is here.
 */
import { whenExited } from "../../sys/engine/reaper.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { forkBySteps, forkInto, type StepsBirth } from "../../sys/linux/fork-into.ts";
import { exit } from "../../sys/linux/process.ts";
import { pidfd_open } from "../../sys/linux/signal.ts";
import { SOCK_CLOEXEC, SOCK_SEQPACKET, socketpair } from "../../sys/linux/socket.ts";
import { KumiteError } from "../../util/errors.ts";
import type { TimeOffset } from "../spec/plan.ts";
import { BornProcess } from "./born-process.ts";
import { ControlSocket } from "./control-socket.ts";
import { inPidNamespace } from "./pid-namespace.ts";
import { inTimeNamespace } from "./time-namespace.ts";

export interface BirthRequest {
  /** CLONE_NEW* of the namespaces to be made at birth. */
  readonly newNamespaces: number;
  /** Of a time namespace to be made for it; `undefined`: the agent's. */
  readonly timeOffsets?: readonly TimeOffset[] | undefined;
  /** Namespace file or pidfd whose pid namespace the process is born into; `undefined`: the agent's, or a new one. */
  readonly pidNamespace: number | undefined;
  /** Directory of its cgroup. */
  readonly cgroupFd: number;
  readonly by: BirthByCode | BirthBySteps;
}

/** A fork that is the agent itself, and can do what the agent can. */
interface BirthByCode {
  /** Runs in the new process, with its end of the socket. */
  readonly run: (control: number) => never;
}

/** One that does what is in a list, at a fraction of the price. */
export type BirthBySteps = Omit<StepsBirth, "control">;

export interface NewProcess {
  readonly process: BornProcess;
  /** The caller closes it. */
  readonly control: ControlSocket;
}

export function bear({ newNamespaces, timeOffsets, pidNamespace, cgroupFd, by }: BirthRequest): NewProcess {
  const [ours, theirs] = socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC);
  try {
    const birth = (): number => {
      if ("steps" in by) return forkBySteps(newNamespaces, cgroupFd, { ...by, control: theirs });
      const born = forkInto(newNamespaces, cgroupFd);
      return born === 0 ? runNewProcess(by.run, theirs) : born;
    };
    const pid = inPidNamespace(pidNamespace, () => inTimeNamespace(timeOffsets, birth));
    // Before anything else can happen: an end that nobody waits for is reaped unseen.
    const exited = whenExited(pid);
    const pidfd = pidfd_open(pid);
    if (pidfd === undefined) throw new KumiteError("internal", `process ${pid} was reaped before its time`);
    return { process: new BornProcess(pid, pidfd, exited), control: new ControlSocket(ours) };
  } catch (error) {
    closeQuietly(ours);
    throw error;
  } finally {
    closeQuietly(theirs);
  }
}

/** Nothing may lead a fork back into the agent's own work, whatever `run` does. */
function runNewProcess(run: (control: number) => never, control: number): never {
  try {
    run(control);
  } finally {
    exit(127);
  }
}
