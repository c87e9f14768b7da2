/**
 * Ends a sandbox: its containers, its VM, and everything that this process made on the host. What others made stays for
 * `recover.ts`, ids and records included. Runs once and to its end, whatever fails on the way and however often it is
 * called.
 */
import { hypervisorConfigOf } from "../config/config.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import type { Vm } from "../vm/vm.ts";
import { endProcesses, lastWords } from "./end-processes.ts";
import { undoResources } from "./host-resources.ts";
import { stopContainer } from "./leave.ts";
import type { Sandbox } from "./sandbox.ts";

/** How long the guest may take to write back and unmount. */
const destroyTimeoutMs = 3000;
/** The same for a guest that runs hooks of its own. */
const destroyWithHooksTimeoutMs = 15_000;

/** Resolves when the sandbox has ended. Never rejects: what could not be undone is logged and stays in the journals. */
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
  // Mounts of added containers are inside the sandbox's tree.
  await Promise.all(added.map((container) => stopContainer(sandbox, container)));
  await endProcesses(sandbox, id);
  await sandbox.console?.flushed();
  if (sandbox.resources !== undefined) await undoResources(os, sandbox.resources, log);
  await removeSocket(sandbox);
  await own?.hooks;
  log.info("sandbox stopped", { phase: "stop" });
  sandbox.end();
}

/** Each aborted addition undoes itself. */
async function endAdditions({ host, additions }: Sandbox): Promise<void> {
  const all = [...additions.values()];
  for (const { abort } of all) abort(new KumiteError("aborted", `sandbox ${host.id} is ending`));
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
    // The VM's processes are steps of the journal, which is undone next.
    log.error(`the VM did not shut down normally: ${messageOf(error)}`, { phase: "stop" });
  }
}

/** Ends processes that the VM did not take over. */
async function discardAhead({ host: { ahead, log } }: Sandbox): Promise<void> {
  await ahead?.discard().catch((error: unknown) => {
    // These processes die together with this one.
    log.error(`processes of the VM could not be ended: ${messageOf(error)}`, { phase: "stop" });
  });
}

/** Without a socket, callers know at once that there is no shim to ask. */
async function removeSocket({ host }: Sandbox): Promise<void> {
  try {
    await host.os.files.removeFile(host.paths.socket);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    host.log.warn(`the socket could not be removed: ${messageOf(error)}`, { phase: "stop" });
  }
}
