/**
 * Disks that QEMU is to reach through io_uring: hosts forbid it to programs without privileges, or to all, by a kernel parameter
 * or by the seccomp profile that everything here runs under. The first is found out before QEMU is asked, the other by asking.
 * Then QEMU's threads serve the disks, which every host allows: a guest sees no difference but in speed.
 */
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { Disk } from "../spec.ts";

/** Since Linux 6.6: 0 allows it, 1 to programs with CAP_SYS_ADMIN, 2 to none. QEMU has no such capability. */
const control = "/proc/sys/kernel/io_uring_disabled";

type Log = (level: "warn", message: string, fields?: Record<string, unknown>) => void;

/**
 * What `attempt` gives with these disks, or with the same served by threads where io_uring is forbidden, of which one line is
 * logged. An attempt that fails must have left nothing.
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

/** In QEMU's words. Its errors begin with the option that they are about, which may name io_uring whatever the fault is. */
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
