/** Adds a container to a running sandbox: claims its id, starts its relay, and asks the sandbox's shim for it. */
import { sandboxPaths } from "../persist/paths.ts";
import type { ObservedContainer } from "../sandbox/observe.ts";
import { prepareContainer } from "../sandbox/prepare.ts";
import { recoverContainer } from "../sandbox/recover.ts";
import { connectShim, type ShimConnection } from "../shim-client/connect.ts";
import { throwIfAborted } from "../util/abort.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import { signalNumbers } from "../util/signals.ts";
import { askForContainer, startContainerRelay } from "./ask-for-container.ts";
import type { ContainerRequest } from "./container-request.ts";
import type { VerbContext } from "./context.ts";
import type { CreatedContainer, CreationPlace } from "./create-container.ts";
import { connectTo, lookAt } from "./open-container.ts";
import { relayReady } from "./start-relay.ts";

/** How long the shim may take to discard a container whose create failed in the verb. */
const leaveTimeoutMs = 60_000;

/** @throws KumiteError `container/not-found`, `container/exists`, `container/wrong-state`, `aborted`, or the shim's */
export async function addContainer(
  context: VerbContext,
  request: ContainerRequest,
  sandboxId: string,
  { windowSize, scope, timeline }: CreationPlace,
): Promise<CreatedContainer> {
  const { os, root, interruption } = context;
  const { id, bundle } = request;
  const sandbox = await runningSandbox(context, id, sandboxId);
  throwIfAborted(interruption.signal);
  const prepared = await prepareContainer(os, root, sandboxId, { id, bundle }, context.tellFailure);
  timeline.mark("claimed");
  let shimOfSandbox: "may hold it" | "has let go" = "may hold it";
  scope.add(`container ${id}`, () => recoverContainer(os, root, id, context.log, shimOfSandbox));

  const { socket } = sandboxPaths(root, sandboxId);
  const relay = await startContainerRelay(context, request, { socket, cgroups: prepared.cgroups, isAdded: true });
  scope.add(`relay of ${id}`, () => relay.kill(signalNumbers.SIGKILL));
  await prepared.journal.made("relay", relay);
  timeline.mark("spawned");
  const shim = await connectTo(context, sandbox);
  await relayReady(relay, id, interruption.signal);
  timeline.mark("ready");
  scope.add(`container ${id} in the sandbox`, async (signal) => {
    relay.kill(signalNumbers.SIGKILL);
    shim.close();
    if (await discard(context, socket, id, signal)) shimOfSandbox = "has let go";
  });
  const asked = await askForContainer(context, { request, windowSize, shim, relay });
  timeline.mark("created");
  context.log.debug("the container is created", { container: id, sandbox: sandboxId });
  return { relay, shim, ...asked };
}

async function runningSandbox(context: VerbContext, id: string, sandboxId: string): Promise<ObservedContainer> {
  const sandbox = await lookFor(context, id, sandboxId);
  if (sandbox.sandboxId !== sandbox.id) {
    throw new KumiteError("container/wrong-state", `container ${id}: ${sandboxId} is not a sandbox`, {
      hint: `${sandboxId} is a container of sandbox ${sandbox.sandboxId}: name that sandbox in the annotation`,
      data: { id, sandbox: sandboxId },
    });
  }
  const { status } = sandbox;
  if (status !== "stopped" && status !== "creating") return sandbox;
  throw new KumiteError(
    "container/wrong-state",
    `container ${id}: sandbox ${sandboxId} is not running, it is ${status}`,
    {
      data: { id, sandbox: sandboxId, status },
    },
  );
}

async function lookFor(context: VerbContext, id: string, sandboxId: string): Promise<ObservedContainer> {
  try {
    return await lookAt(context, sandboxId);
  } catch (error) {
    if (!isKumiteError(error, "container/not-found")) throw error;
    throw new KumiteError("container/not-found", `container ${id}: sandbox ${sandboxId} does not exist`, {
      hint: "create that sandbox first, or correct the container's annotations, which name it",
      data: { id, sandbox: sandboxId },
    });
  }
}

/**
 * Uses a connection of its own, because closing the other connection is what ends a create in progress.
 *
 * @returns whether the shim has confirmed that it does not hold the container
 */
async function discard({ os }: VerbContext, socket: string, id: string, signal: AbortSignal): Promise<boolean> {
  let shim: ShimConnection;
  try {
    shim = await connectShim(os, socket, id, signal);
  } catch (error) {
    // The shim is gone, and everything in the sandbox with it.
    if (isKumiteError(error, "shim/unreachable")) return false;
    throw error;
  }
  try {
    await shim.oci.discardContainer({ id }, { timeoutMs: leaveTimeoutMs, signal });
    return true;
  } finally {
    shim.close();
  }
}
