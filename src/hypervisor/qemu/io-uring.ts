/**
 * Disks that QEMU is to reach through io_uring: hosts forbid it to programs without privileges, or to all, by a kernel parameter
 * or by the seccomp profile that everything here runs under. The first is found out before anything is made, the other by QEMU.
 */
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { Disk } from "../spec.ts";

/** Since Linux 6.6: 0 allows it, 1 to programs with CAP_SYS_ADMIN, 2 to none. QEMU has no capability. */
const control = "/proc/sys/kernel/io_uring_disabled";

/** @throws KumiteError `hypervisor/unsupported` */
export async function requireIoUring(os: Os, disks: readonly Pick<Disk, "aio">[]): Promise<void> {
  if (!disks.some(({ aio }) => aio === "io_uring")) return;
  const value = await settingOf(os);
  if (value !== "" && value !== "0") throw forbidden(`kernel.io_uring_disabled is ${value}`);
}

/** In QEMU's words. Its errors begin with the option that they are about, which may name io_uring whatever the fault is. */
const refusal = /Unable to use io_uring|failed to init linux io_uring|io_uring was specified/;

/** Another error for the one of QEMU that is about it; any other is the answer itself. */
export function explainIoUring(error: unknown): unknown {
  const text = error instanceof KumiteError && error.cause instanceof Error ? error.cause.message : messageOf(error);
  return refusal.test(text) ? forbidden("QEMU was refused it", error) : error;
}

function forbidden(why: string, cause?: unknown): KumiteError {
  return new KumiteError("hypervisor/unsupported", `block_device_aio is io_uring, which this host forbids: ${why}`, {
    phase: "hypervisor.start",
    hint: 'set block_device_aio = "threads" in [hypervisor.qemu], or allow it on the host',
    ...(cause === undefined ? {} : { cause }),
  });
}

async function settingOf(os: Os): Promise<string> {
  try {
    return (await os.files.readText(control)).trim();
  } catch (error) {
    if (isSystemError(error)) return "";
    throw error;
  }
}
