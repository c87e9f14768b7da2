/** A child of the agent: signalled through its pidfd, so that no number can come to mean another process. */
import { closeQuietly } from "../../sys/linux/file.ts";
import { pidfd_send_signal } from "../../sys/linux/signal.ts";
import type { ExitStatus } from "../../sys/os.ts";

export class BornProcess {
  /** In the agent's pid namespace. */
  readonly pid: number;
  /** Resolves when it has ended and was reaped. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  #status: ExitStatus | undefined;
  readonly #pidfd: number;

  /** Owns the pidfd. */
  constructor(pid: number, pidfd: number, exited: Promise<ExitStatus>) {
    this.pid = pid;
    this.#pidfd = pidfd;
    this.exited = exited.then((status) => {
      this.#status = status;
      closeQuietly(pidfd);
      return status;
    });
  }

  /** `undefined` while it runs. */
  get status(): ExitStatus | undefined {
    return this.#status;
  }

  /** Stands for its namespaces in setns(2); `undefined` when it has ended. */
  get pidfd(): number | undefined {
    return this.#status === undefined ? this.#pidfd : undefined;
  }

  /** Only to this process. False when it has ended. */
  signal(signal: number): boolean {
    return this.#status === undefined && pidfd_send_signal(this.#pidfd, signal);
  }
}

/** As a shell says it, and the protocol: 128 and the signal's number for a process that was killed. */
export function exitCode(status: ExitStatus): number {
  return status.kind === "exited" ? status.status : 128 + status.signal;
}
