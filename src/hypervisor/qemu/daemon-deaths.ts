/**
 * Finds out whether a virtiofsd ended before its QEMU could use it. QEMU, or the process that connects it, reports only
 * a socket error.
 */
import { withDeadline } from "../../util/deadline.ts";
import { errorChain, isSystemError, KumiteError } from "../../util/errors.ts";
import type { Program } from "../program.ts";

/** A dead daemon's last output arrives within a moment; a living daemon has none. */
const deathMs = 3_000;

/** `undefined` if all daemons are alive. */
export async function deathsOf(daemons: readonly Program[]): Promise<Error | undefined> {
  const deaths = await Promise.all(
    daemons.map(async (daemon) => {
      const death = await withDeadline(deathMs, "its end", () => daemon.death()).catch(() => undefined);
      return death === undefined ? [] : [`${daemon.key} ${death}`];
    }),
  );
  const told = deaths.flat();
  return told.length === 0 ? undefined : new Error(told.join("; "));
}

/** Replaces the error of a failed QEMU start if the reason was a daemon that had died. */
export async function explainDaemons(error: unknown, daemons: readonly Program[]): Promise<unknown> {
  if (!errorChain(error).some((at) => isSystemError(at, "ECONNREFUSED", "ECONNRESET"))) return error;
  const cause = await deathsOf(daemons);
  if (cause === undefined) return error;
  return new KumiteError("hypervisor/start-failed", "the file-sharing daemon did not start", {
    phase: "hypervisor.start",
    hint: "see `kumite check`; another daemon can be set as virtio_fs_daemon in [hypervisor.qemu]",
    cause,
  });
}
