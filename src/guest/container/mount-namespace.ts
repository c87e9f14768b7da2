/**
 * Holds the mount namespace of a container beyond the end of its processes.
 *
 * What the host binds into the shared tree is a file system of its own in the guest, and is mounted only in the
 * container's namespace. A process that ends releases its files without waiting for the daemon's answer. If it were the
 * last process of the namespace, the kernel would unmount these file systems at once, find files in use, and block the
 * process for good (Linux 6.1: "Busy inodes after unmount"). Nobody would ever see it end.
 */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly, open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { getpid } from "../../sys/linux/process.ts";
import { withDeadline } from "../../util/deadline.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { StepWriter, step } from "../steps/writer.ts";
import { bear } from "./birth.ts";

/**
 * Time limit for the daemon's answers, in ms. It bounds how long RemoveContainer waits; the namespace may live longer.
 */
const answersTimeoutMs = 1000;
/** Number of requests to the daemon. With each of them the kernel sends at least a dozen queued releases. */
const rounds = 32;

export class HeldMounts {
  #fd: number | undefined;

  /** Holds the namespace of a running process. */
  hold(pid: number): void {
    this.#fd = open(`/proc/${pid}/ns/mnt`, O_RDONLY | O_CLOEXEC);
  }

  /** Holds it until the VM ends, which is about to happen. */
  keep(): void {
    this.#fd = undefined;
  }

  /**
   * Must be called when no process is left in the namespace. A helper process is the last one in it: if something is
   * still in use, the kernel blocks that process and not the agent.
   * @param points mount points of file systems that a daemon may serve
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

/**
 * A daemon answers in order: when it has answered the last of these, it has handled everything that was sent before.
 */
function answerSteps(points: readonly string[]): Uint8Array {
  const steps = new StepWriter();
  steps.add(step.ask, rounds, points);
  steps.add(step.exit, 0);
  return steps.bytes();
}
