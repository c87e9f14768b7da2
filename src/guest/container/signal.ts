/** SignalProcess: signals one process of a container, or all of them. */
import { killIfExists, SIGKILL, SIGRTMAX, SIGTERM } from "../../sys/linux/signal.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { Container } from "./container.ts";
import { takesSignal } from "./signal-masks.ts";

/**
 * A process or container that has ended is not an error.
 * @param execId empty: every process of the container
 * @throws KumiteError `usage/invalid`, `process/not-found`
 */
export function signalProcess(container: Container, execId: string, signal: number): void {
  if (!Number.isInteger(signal) || signal < 1 || signal > SIGRTMAX) {
    throw new KumiteError("usage/invalid", `${signal} is not a signal number`);
  }
  // Processes that share a pid namespace with other containers outlive their first process.
  if (container.state.phase === "stopped" && !(execId === "" && signal === SIGKILL)) return;
  if (execId === "") signalAll(container, signal);
  else if (execId === container.first.execId) signalFirst(container, signal);
  else if (container.processes.statusOf(execId) === undefined) container.processes.require(execId).born.signal(signal);
}

function signalAll(container: Container, signal: number): void {
  if (signal === SIGKILL) {
    container.cgroup.kill();
    return;
  }
  const first = container.first.born.pid;
  for (const pid of container.cgroup.pids()) if (pid !== first) killIfExists(pid, signal);
  signalFirst(container, signal);
}

function signalFirst({ first, leadsPidNamespace }: Container, signal: number): void {
  const ignored = signal === SIGTERM && leadsPidNamespace && !takes(first.born.pid, SIGTERM);
  first.born.signal(ignored ? SIGKILL : signal);
}

/**
 * The kernel drops signals that the first process of a pid namespace does not take, so SIGTERM would never end it.
 */
function takes(pid: number, signal: number): boolean {
  try {
    const read = (name: string): string => readFileText(`/proc/${pid}/${name}`);
    const before = read("syscall");
    const status = read("status");
    return takesSignal(status, [before, read("syscall")], signal);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return true;
    throw error;
  }
}
