/**
 * Ends a sandbox: its containers, its machine, and everything it made on the host. What others made, the ids and the records
 * among it, stays for `recover.ts`. Runs once, to its end, whatever fails on the way and whoever asks.
 */
import { hypervisorConfigOf } from "../config/config.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import type { Vm } from "../vm/vm.ts";
import { endProcesses, lastWords } from "./end-processes.ts";
import { undoResources } from "./host-resources.ts";
import { stopContainer } from "./leave.ts";
import type { Sandbox } from "./sandbox.ts";

/** For the guest to write back and to unmount. */
const destroyTimeoutMs = 3000;
/** The same where it has hooks of its own to run. */
const destroyWithHooksTimeoutMs = 15_000;

/** Resolves when the sandbox has ended. Never rejects: what could not be undone is in the log and in the journals. */
export function stopSandbox(sandbox: Sandbox): Promise<void> {
  sandbox.stopping ??= stop(sandbox);
  return sandbox.stopping;
}

async function stop(sandbox: Sandbox): Promise<void> {
  const { id, os, log } = sandbox.host;
  const before = sandbox.state;
  sandbox.state = { phase: "stopping" };
  await endAdditions(sandbox);
  if (before.phase === "running") await stopMachine(sandbox, before.vm);
  await sandbox.warm?.discard();
  await discardAhead(sandbox);
  await sandbox.savable?.keeper[Symbol.asyncDispose]();
  const { own, added } = containersOf(sandbox);
  // Their mounts lie in the sandbox's tree.
  await Promise.all(added.map((container) => stopContainer(sandbox, container)));
  await endProcesses(sandbox, id);
  await sandbox.console?.flushed();
  if (sandbox.resources !== undefined) await undoResources(os, sandbox.resources, log);
  await removeSocket(sandbox);
  await own?.hooks;
  log.info("sandbox stopped", { phase: "stop" });
  sandbox.end();
}

/** Each undoes itself. */
async function endAdditions({ host, additions }: Sandbox): Promise<void> {
  const all = [...additions.values()];
  for (const { abort } of all) abort(new KumiteError("aborted", `sandbox ${host.id} ends`));
  await Promise.all(all.map(({ done }) => done));
}

function containersOf(sandbox: Sandbox) {
  const all = [...sandbox.containers.values()];
  return { own: all.find((one) => sandbox.isOwn(one)), added: all.filter((one) => !sandbox.isOwn(one)) };
}

async function stopMachine(sandbox: Sandbox, vm: Vm): Promise<void> {
  const { log, config } = sandbox.host;
  const hasHooks = hypervisorConfigOf(config).guestHookPath !== "";
  const timeoutMs = hasHooks ? destroyWithHooksTimeoutMs : destroyTimeoutMs;
  await Promise.all([...sandbox.containers.keys()].map((id) => lastWords(sandbox, id)));
  try {
    await vm.agent.destroySandbox({}, { timeoutMs });
  } catch (error) {
    log.debug(`the guest could not be told to end: ${messageOf(error)}`, { phase: "stop" });
  }
  try {
    await vm.stop();
  } catch (error) {
    // Its processes are steps of the journal, which are undone next.
    log.error(`the VM did not shut down normally: ${messageOf(error)}`, { phase: "stop" });
  }
}

/** Processes that the machine did not get to use. */
async function discardAhead({ host: { ahead, log } }: Sandbox): Promise<void> {
  await ahead?.discard().catch((error: unknown) => {
    // They die with this process.
    log.error(`processes of the VM are left: ${messageOf(error)}`, { phase: "stop" });
  });
}

/** Who finds no socket knows at once that there is nobody to ask. */
async function removeSocket({ host }: Sandbox): Promise<void> {
  try {
    await host.os.files.removeFile(host.paths.socket);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    host.log.warn(`the socket could not be removed: ${messageOf(error)}`, { phase: "stop" });
  }
}
