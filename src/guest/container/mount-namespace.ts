/**
 * The mount namespace of a container, held beyond the end of its processes.
 *
 * What the host binds into the shared tree is a file system of its own in the guest, and belongs to the container's
 * namespace alone. A process that ends gives its files back without waiting for the daemon's answer. If it were the last
 * of the namespace the kernel would take these file systems down at once, find files in use, and stop that process for
 * good (Linux 6.1: "Busy inodes after unmount"): nobody would ever see its end.
 */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { getpid } from "../../sys/linux/process.ts";
import { withDeadline } from "../../util/deadline.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { StepWriter, step } from "../steps/writer.ts";
import { bear } from "./birth.ts";

/** For the daemon's answers. Who waits for the container's removal is not kept longer; the namespace is. In ms. */
const answersTimeoutMs = 1000;
/** Questions to the daemon. Behind each of them the kernel has sent at least a dozen more of what it gives back. */
const rounds = 32;

export class HeldMounts {
  #fd: number | undefined;

  /** Of a process that is there. */
  hold(pid: number): void {
    this.#fd = open(`/proc/${pid}/ns/mnt`, O_RDONLY | O_CLOEXEC);
  }

  /** Until the machine ends, which then is soon. */
  keep(): void {
    this.#fd = undefined;
  }

  /**
   * When no process is in it any more. A process of its own is the last to have it: should something be in use all the
   * same it is that one which the kernel stops, and not the agent.
   * @param points where file systems are mounted that may be shared by a daemon
   */
  async release(points: readonly string[]): Promise<void> {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd === undefined) return;
    const cgroupFd = openDirectory(`${cgroupRoot}${cgroupOf(getpid())}`);
    try {
      const by = { steps: answerSteps(points), standard: [0, 1, 2], container: { pidfd: fd, entered: 0 } } as const;
      const { process, control } = bear({ newNamespaces: 0, pidNamespace: undefined, cgroupFd, by });
      control.close();
      closeQuietly(fd);
      await withDeadline(answersTimeoutMs, "the files' being given back", () => process.exited).catch(() => {});
    } finally {
      closeQuietly(cgroupFd);
    }
  }
}

/** Daemons answer in order: when the last of these is answered, what was sent before is too. */
function answerSteps(points: readonly string[]): Uint8Array {
  const steps = new StepWriter();
  steps.add(step.ask, rounds, points);
  steps.add(step.exit, 0);
  return steps.bytes();
}
