/**
 * The hooks of a container that the host runs, at their places in its life: prestart and createRuntime before there is
 * a machine, so that what they do to the container's network is seen by it; poststart when the program runs. They run in
 * the runtime's namespaces, and learn from the pid of the relay where the container's are.
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

/** For a container that was killed to be seen dead. */
const endTimeoutMs = 10_000;

/**
 * From here on poststop hooks have something to take back, whatever becomes of the create.
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
 * A failing hook ends the container. The caller's going away does not end a hook: the program runs already.
 *
 * @throws KumiteError `hook/failed`
 */
export async function runPoststartHooks(sandbox: Sandbox, container: Container): Promise<void> {
  const { process } = container;
  try {
    const running = run(sandbox, container, "poststart", statusOf(container));
    // The program may end meanwhile, and the sandbox with it.
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

/** Resolves with whether there were any. */
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
