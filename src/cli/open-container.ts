/** An existing container as the verbs see it: its state as observed from outside, and whether a verb may act on it. */
import { checkContainerId } from "../oci/container-id.ts";
import type { OciStatus } from "../oci/state.ts";
import { sandboxPaths } from "../persist/paths.ts";
import { type ObservedContainer, observeContainer } from "../sandbox/observe.ts";
import { connectShim, type ShimConnection } from "../shim-client/connect.ts";
import type { ProcessId } from "../sys/os.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import type { VerbContext } from "./context.ts";

/** @throws KumiteError `container/bad-id`, `container/not-found` */
export async function lookAt({ os, root }: VerbContext, id: string): Promise<ObservedContainer> {
  checkContainerId(id);
  return observeContainer(os, root, id);
}

/** For verbs that need a running VM. @throws KumiteError as `lookAt`, `container/wrong-state` */
export async function lookAtLiving(context: VerbContext, id: string): Promise<ObservedContainer> {
  const container = await lookAt(context, id);
  const { status } = container;
  if (status === "stopped" || status === "creating") throw wrongState(id, status, "container not running");
  return container;
}

/** Connects to the shim of the container's sandbox. @throws KumiteError `shim/unreachable` */
export function connectTo(
  { os, root, interruption }: VerbContext,
  { id, sandboxId }: Pick<ObservedContainer, "id" | "sandboxId">,
): Promise<ShimConnection> {
  return connectShim(os, sandboxPaths(root, sandboxId).socket, id, interruption.signal);
}

/**
 * Looks and connects. If the container ends in between, the error says that it is not running.
 * @throws KumiteError as `lookAtLiving` and `connectTo`
 */
export async function connectToLiving(
  context: VerbContext,
  id: string,
): Promise<{ readonly alive: ProcessId | undefined; readonly shim: ShimConnection }> {
  const container = await lookAtLiving(context, id);
  try {
    return { alive: container.alive, shim: await connectTo(context, container) };
  } catch (error) {
    if (isKumiteError(error, "shim/unreachable")) await lookAtLiving(context, id);
    throw error;
  }
}

/** The error of a verb that the container's state does not allow. Engines look for some of these texts. */
export function wrongState(id: string, status: OciStatus, refusal: string): KumiteError {
  return new KumiteError("container/wrong-state", `container ${id}: ${refusal}`, {
    hint: `\`kumite state ${id}\` shows its state`,
    data: { id, status },
  });
}
