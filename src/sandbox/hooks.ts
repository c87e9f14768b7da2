/**
 * When the hooks of the host run: prestart and createRuntime before the VM is started, so that the VM sees what they do
 * to the container's network; poststart when the program runs. The hooks run in the runtime's namespaces and find the
 * container's namespaces by the relay's pid.
 */
import type { OciStatus } from "../oci/state.ts";
import { withDeadline } from "../util/deadline.ts";
import { signalNumbers } from "../util/signals.ts";
import type { Container } from "./container.ts";
import { statusOf } from "./container.ts";
import { keepPoststopHooks } from "./hooks-poststop.ts";
import { type HookName, runHooks } from "./hooks-run.ts";
import { ociStateOf } from "./inspect.ts";
import { signalInGuest } from "./kill.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long a killed container may take to be seen as ended. */
const endTimeoutMs = 10_000;

/**
 * From this point on poststop hooks have something to undo, whatever happens to the create.
 *
 * @throws KumiteError `hook/failed`, `aborted`
 */
export async function runCreationHooks(sandbox: Sandbox, container: Container, signal: AbortSignal): Promise<void> {
  const { paths, timeline } = container;
  const { os } = sandbox.host;
  await keepPoststopHooks(os, paths.poststop, container.id, container.bundle);
  for (const name of ["prestart", "createRuntime"] as const) {
    if (await run(sandbox, container, name, "creating", signal)) timeline.mark(name);
  }
}

/**
 * If a hook fails, the container is killed. A hook goes on if the caller disappears, because the program is running
 * already.
 *
 * @throws KumiteError `hook/failed`
 */
export async function runPoststartHooks(sandbox: Sandbox, container: Container): Promise<void> {
  const { process } = container;
  try {
    const running = run(sandbox, container, "poststart", statusOf(container));
    // The program may end while the hooks run, and the sandbox with it; `stop` waits for this.
    container.hooks = running.then(
      () => {},
      () => {},
    );
    await running;
  } catch (error) {
    await signalInGuest(sandbox, process, signalNumbers.SIGKILL).catch(() => {});
    await withDeadline(endTimeoutMs, `the end of ${process.title}`, () => process.exited).catch(() => {});
    throw error;
  }
}

/** Resolves with whether there were any hooks. */
async function run(
  sandbox: Sandbox,
  container: Container,
  name: HookName,
  status: OciStatus,
  signal?: AbortSignal,
): Promise<boolean> {
  const hooks = container.bundle.spec.hooks?.[name] ?? [];
  if (hooks.length === 0) return false;
  const { os, log } = sandbox.host;
  const state = { ...ociStateOf(container), status, pid: container.process.relay.pid };
  const startMs = os.clock.monotonic();
  await runHooks(os, { name, hooks, state, directory: container.paths.directory, signal });
  log.debug(`${hooks.length} ${name} hooks have run`, {
    container: container.id,
    phase: "hook",
    ms: Math.round(os.clock.monotonic() - startMs),
  });
  return true;
}
