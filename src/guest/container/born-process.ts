/** A child of the agent. It is signalled through its pidfd, so a reused pid cannot be hit. */
import { closeQuietly } from "../../sys/linux/file.ts";
import { pidfd_send_signal } from "../../sys/linux/signal.ts";
import type { ExitStatus } from "../../sys/os.ts";

export class BornProcess {
  /** Pid in the agent's pid namespace. */
  readonly pid: number;
  /** Resolves when the process has ended and been reaped. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  #status: ExitStatus | undefined;
  readonly #pidfd: number;

  /** Takes ownership of the pidfd. */
  constructor(pid: number, pidfd: number, exited: Promise<ExitStatus>) {
    this.pid = pid;
    this.#pidfd = pidfd;
    this.exited = exited.then((status) => {
      this.#status = status;
      closeQuietly(pidfd);
      return status;
    });
  }

  /** `undefined` while the process runs. */
  get status(): ExitStatus | undefined {
    return this.#status;
  }

  /** For setns(2) into its namespaces; `undefined` when the process has ended. */
  get pidfd(): number | undefined {
    return this.#status === undefined ? this.#pidfd : undefined;
  }

  /** Returns false when the process has ended. */
  signal(signal: number): boolean {
    return this.#status === undefined && pidfd_send_signal(this.#pidfd, signal);
  }
}

/** As in a shell and in the protocol: 128 plus the signal's number for a killed process. */
export function exitCode(status: ExitStatus): number {
  return status.kind === "exited" ? status.status : 128 + status.signal;
}
