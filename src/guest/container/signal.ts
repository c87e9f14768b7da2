/** SignalProcess: signals one process of a container, or all of them. */
import { killIfExists, SIGKILL, SIGRTMAX, SIGTERM } from "../../sys/linux/signal.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import type { Container } from "./container.ts";

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
  const ignored = signal === SIGTERM && leadsPidNamespace && !catches(first.born.pid, SIGTERM);
  first.born.signal(ignored ? SIGKILL : signal);
}

/**
 * The kernel drops signals that the first process of a pid namespace does not handle, so SIGTERM would never end it.
 */
function catches(pid: number, signal: number): boolean {
  try {
    const mask = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileText(`/proc/${pid}/status`))?.[1];
    return mask !== undefined && (BigInt(`0x${mask}`) & (1n << BigInt(signal - 1))) !== 0n;
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return true;
    throw error;
  }
}
