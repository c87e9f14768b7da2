/**
 * Removes a sandbox or an added container from within the shim, when whoever asked for it died before it was there: nobody
 * else will. The shim runs in a cgroup of the sandbox, so it has to leave it first.
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
 * After `stopSandbox`. Does nothing while another living process owns the sandbox.
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

/** After the container has left. Never rejects: what stays can be deleted. */
export async function abandonContainer({ host }: Sandbox, id: string): Promise<void> {
  const { os, root, log } = host;
  log.warn("the caller of create is gone: the container is removed", { container: id });
  await recoverContainer(os, root, id, log).catch((error: unknown) => log.error(messageOf(error), { container: id }));
}

/** The root of a hierarchy takes any process, also where others must be leaves. */
async function leaveCgroups(os: Os, cgroups: readonly string[]): Promise<void> {
  for (const { directory } of hierarchiesIn(await os.mounts.table())) {
    if (!cgroups.some((cgroup) => isBelow(directory, cgroup))) continue;
    await os.files.write(`${directory}/cgroup.procs`, String(os.self.pid));
  }
}
