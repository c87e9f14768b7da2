/** `Processes` of the engine. */
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { EPOLLIN } from "../linux/epoll.ts";
import { closeQuietly } from "../linux/file.ts";
import { processInfo, processStat } from "../linux/proc.ts";
import { pidfd_open, pidfd_send_signal } from "../linux/signal.ts";
import type { Processes, ProcessId } from "../os.ts";
import { Watch } from "./loop.ts";
import { keepEnded } from "./reaper.ts";
import { spawn, spawnLater } from "./spawn.ts";

export const engineProcesses: Processes = {
  spawn,
  spawnLater,
  info: async (pid) => processInfo(pid),
  signal: async (id, signal) => signalProcess(id, signal),
  waitGone,
  keepEnded,
};

/** A pidfd of exactly that process; `undefined` when it is gone. The start time is checked after the pidfd is open. */
function openProcess({ pid, startTicks }: ProcessId): number | undefined {
  const pidfd = pidfd_open(pid);
  if (pidfd === undefined) return undefined;
  if (processStat(pid)?.startTicks === startTicks) return pidfd;
  closeQuietly(pidfd);
  return undefined;
}

/** Implements `Processes.signal`. */
export function signalProcess(id: ProcessId, signal: number): boolean {
  const pidfd = openProcess(id);
  if (pidfd === undefined) return false;
  try {
    return pidfd_send_signal(pidfd, signal);
  } finally {
    closeQuietly(pidfd);
  }
}

/** Implements `Processes.waitGone`. */
export async function waitGone(id: ProcessId, signal?: AbortSignal): Promise<void> {
  throwIfAborted(signal);
  const pidfd = openProcess(id);
  if (pidfd === undefined) return;
  let watch: Watch | undefined;
  let forget = (): void => {};
  try {
    await new Promise<void>((resolve, reject) => {
      // Readable when the process has ended, even if it is still a zombie.
      watch = new Watch(pidfd, () => resolve());
      watch.set(EPOLLIN);
      forget = onAbort(signal, () => reject(abortError(signal as AbortSignal)));
    });
  } finally {
    forget();
    watch?.close();
    closeQuietly(pidfd);
  }
}
