/**
 * The first process of a pid namespace that all containers of a sandbox share. It reaps orphans there and does nothing
 * else. When it ends, every process in the namespace ends.
 */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { getpid, setsid } from "../../sys/linux/process.ts";
import { awaitSignal, blockSignals, resetSignals, SIGCHLD, SIGKILL } from "../../sys/linux/signal.ts";
import { P_ALL, WEXITED, WNOHANG, waitid } from "../../sys/linux/wait.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { closeAllBut } from "../child/descriptors.ts";
import { bear } from "../container/birth.ts";
import type { BornProcess } from "../container/born-process.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";

/** The end of a child wakes the process; the call only needs some limit. */
const longMs = 3_600_000;

export function startPauseProcess(): BornProcess {
  const cgroupFd = openDirectory(`${cgroupRoot}${cgroupOf(getpid())}`);
  try {
    const { process, control } = bear({
      newNamespaces: namespaceFlag.pid,
      pidNamespace: undefined,
      cgroupFd,
      by: { run: pauseForEver },
    });
    control.close();
    return process;
  } finally {
    closeQuietly(cgroupFd);
  }
}

/** Resolves when the process has ended. */
export async function endPauseProcess(process: BornProcess): Promise<void> {
  process.signal(SIGKILL);
  await process.exited;
}

function pauseForEver(): never {
  resetSignals();
  blockSignals([SIGCHLD]);
  closeAllBut([]);
  setsid();
  for (;;) {
    while (waitid(P_ALL, 0, WEXITED | WNOHANG) !== undefined);
    awaitSignal([SIGCHLD], longMs);
  }
}
