/**
 * What file-sharing daemons said that ended before their QEMU could use them: QEMU itself, or who connects it, complains of a
 * socket only.
 */
import { withDeadline } from "../../util/deadline.ts";
import { errorChain, isSystemError, KumiteError } from "../../util/errors.ts";
import type { Program } from "../program.ts";

/** A daemon that lives has said nothing; the last words of one that does not take a moment. */
const deathMs = 3_000;

/** `undefined` when all of them live. */
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

/** The error of a QEMU that could not be started, with the deaths of daemons that it could not be connected to. */
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
