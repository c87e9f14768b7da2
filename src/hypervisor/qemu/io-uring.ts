/**
 * Handles hosts that forbid io_uring, either by a kernel parameter (for unprivileged programs or for all), or by the
 * seccomp profile that we run under. The parameter is read beforehand; the profile shows only when QEMU fails. The
 * disks are then served by QEMU's threads, which every host allows, and the guest sees only a difference in speed.
 */
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { Disk } from "../spec.ts";

/** Since Linux 6.6. 0: allowed; 1: only with CAP_SYS_ADMIN, which QEMU does not have; 2: never. */
const control = "/proc/sys/kernel/io_uring_disabled";

type Log = (level: "warn", message: string, fields?: Record<string, unknown>) => void;

/**
 * Calls `attempt` with these disks, or with threads in place of io_uring if the host forbids it, which is logged once.
 * A failed attempt must leave nothing behind.
 */
export async function orWithThreads<D extends Pick<Disk, "aio">, T>(
  os: Os,
  log: Log,
  disks: readonly D[],
  attempt: (disks: readonly D[]) => Promise<T>,
): Promise<T> {
  if (!disks.some(({ aio }) => aio === "io_uring")) return attempt(disks);
  const withThreads = (reason: string): Promise<T> => {
    log("warn", "this host forbids io_uring: threads serve the disks instead", { reason });
    return attempt(disks.map((disk) => (disk.aio === "io_uring" ? { ...disk, aio: "threads" } : disk)));
  };
  const setting = await settingOf(os);
  if (setting !== "" && setting !== "0") return withThreads(`kernel.io_uring_disabled is ${setting}`);
  try {
    return await attempt(disks);
  } catch (error) {
    const reason = refusalIn(error);
    if (reason === undefined) throw error;
    return withThreads(reason);
  }
}

/** QEMU's messages. Its errors start with the option concerned, which may contain io_uring whatever the error is. */
const refusal = /Unable to use io_uring|failed to init linux io_uring|io_uring was specified/;

function refusalIn(error: unknown): string | undefined {
  const text = error instanceof KumiteError && error.cause instanceof Error ? error.cause.message : messageOf(error);
  return refusal.test(text) ? text : undefined;
}

async function settingOf(os: Os): Promise<string> {
  try {
    return (await os.files.readText(control)).trim();
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}
