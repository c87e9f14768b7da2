/**
 * Makes the agent the first process of a pid namespace: a child in the new namespace executes the agent again, and the
 * original process waits for it to end. If the original process is killed, the child dies too, and with it everything
 * in its namespace.
 */
import { readlink } from "../../sys/linux/directory.ts";
import { closeQuietly, pipe2, read, setCloseOnExec } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../../sys/linux/open-flags.ts";
import { execve, exit, fork, PR_SET_PDEATHSIG, prctl, processArguments } from "../../sys/linux/process.ts";
import { SIGKILL } from "../../sys/linux/signal.ts";
import { P_PID, WEXITED, waitid } from "../../sys/linux/wait.ts";
import { isSystemError } from "../../util/errors.ts";
import { exitCode } from "../container/born-process.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";

const failedStatus = 70;

/** @param channelFd stays open in the new agent */
export function restartInOwnPidNamespace(channelFd: number): never {
  const life = pipe2(O_CLOEXEC | O_NONBLOCK);
  const pid = fork(namespaceFlag.pid);
  if (pid === 0) {
    try {
      closeQuietly(life.write);
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (!isHeldOpen(life.read)) exit(failedStatus);
      setCloseOnExec(channelFd, false);
      execve(readlink("/proc/self/exe"), processArguments(), []);
    } finally {
      exit(failedStatus);
    }
  }
  closeQuietly(channelFd);
  const ended = waitid(P_PID, pid, WEXITED);
  exit(ended === undefined ? failedStatus : exitCode(ended.status));
}

/** False if the parent died before the child could ask for its death signal: then the pipe is at its end. */
function isHeldOpen(fd: number): boolean {
  try {
    return read(fd, new Uint8Array(1)) > 0;
  } catch (error) {
    if (isSystemError(error, "EAGAIN")) return true;
    throw error;
  }
}
