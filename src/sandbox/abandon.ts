/**
 * Removes a sandbox or an added container from within the shim when the caller of `create` died before `create` was
 * done, because nobody else will. The shim runs in a cgroup of the sandbox, so it must leave that cgroup first.
 */
import { hierarchiesIn } from "../cgroups/hierarchies.ts";
import { readJournal } from "../persist/journal.ts";
import type { Os } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import { isBelow } from "../util/path.ts";
import { livingOwner } from "./observe.ts";
import { recoverContainer } from "./recover.ts";
import type { Sandbox, SandboxHost } from "./sandbox.ts";

/**
 * Call after `stopSandbox`. Does nothing while another living process owns the sandbox.
 *
 * @throws KumiteError `cleanup/incomplete`
 */
export async function abandonSandbox({ os, root, id, paths, log }: SandboxHost): Promise<void> {
  const journal = await readJournal(os, paths.journal);
  if (journal === undefined) return;
  const owner = await livingOwner(os, journal);
  if (owner !== undefined && owner.pid !== os.self.pid) return;
  await leaveCgroups(
    os,
    journal.steps.flatMap((step) => (step.kind === "cgroup" ? [step.path] : [])),
  );
  await recoverContainer(os, root, id, log);
}

/** Call after the container has left the sandbox. Never rejects: whatever stays can still be removed by `delete`. */
export async function abandonContainer({ host }: Sandbox, id: string): Promise<void> {
  const { os, root, log } = host;
  log.warn("the caller of create is gone: the container is removed", { container: id });
  await recoverContainer(os, root, id, log).catch((error: unknown) => log.error(messageOf(error), { container: id }));
}

/** Moves this process to the hierarchy's root, which accepts processes even where other cgroups must be leaves. */
async function leaveCgroups(os: Os, cgroups: readonly string[]): Promise<void> {
  for (const { directory } of hierarchiesIn(await os.mounts.table())) {
    if (!cgroups.some((cgroup) => isBelow(directory, cgroup))) continue;
    await os.files.write(`${directory}/cgroup.procs`, String(os.self.pid));
  }
}
