/**
 * Forks a new process from the agent into its namespaces and cgroup, with a socket over which the process reports its
 * set-up. The caller decides what the fork does; this is the agent's side.
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
  /** CLONE_NEW* flags of the namespaces to create. */
  readonly newNamespaces: number;
  /** Offsets of a time namespace to create; `undefined`: uses the agent's. */
  readonly timeOffsets?: readonly TimeOffset[] | undefined;
  /**
   * Namespace file or pidfd of the pid namespace in which to create the process; `undefined`: the agent's, or a new
   * one.
   */
  readonly pidNamespace: number | undefined;
  /** Descriptor of the cgroup's directory. */
  readonly cgroupFd: number;
  readonly by: BirthByCode | BirthBySteps;
}

/** A full fork of the agent, which can do everything the agent can. */
interface BirthByCode {
  /** Runs in the new process, with that process's end of the socket. */
  readonly run: (control: number) => never;
}

/** A process that carries out a list of steps, at a fraction of the cost. */
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
    // Must come first: an exit that nobody waits for is reaped unnoticed.
    const exited = whenExited(pid);
    const pidfd = pidfd_open(pid);
    if (pidfd === undefined) throw new KumiteError("internal", `process ${pid} was reaped too early`);
    return { process: new BornProcess(pid, pidfd, exited), control: new ControlSocket(ours) };
  } catch (error) {
    closeQuietly(ours);
    throw error;
  } finally {
    closeQuietly(theirs);
  }
}

/** The fork must never return into the agent's own work, whatever `run` does. */
function runNewProcess(run: (control: number) => never, control: number): never {
  try {
    run(control);
  } finally {
    exit(127);
  }
}
