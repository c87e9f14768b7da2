/** `kumite start`: runs the program of created containers. */
import type { ObservedContainer } from "../../sandbox/observe.ts";
import { isKumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";
import type { VerbContext } from "../context.ts";
import { forEachId } from "../each-id.ts";
import { orLostMachine } from "../lost-machine.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

/** The longest time a create without hooks may take. */
const createTimeoutMs = 300_000;

export function start(context: VerbContext, { args }: Invocation<"start">): Promise<number> {
  return forEachId(context, args, (id) => startOne(context, id));
}

async function startOne(context: VerbContext, id: string): Promise<void> {
  const container = await lookAtCreated(context, id);
  refuseWrongState(container);
  const shim = await connectTo(context, container);
  try {
    await shim.task.start({ id }, { signal: context.interruption.signal });
  } catch (error) {
    throw await orLostMachine(context, id, shim, error);
  } finally {
    shim.close();
  }
}

/**
 * A caller that polls `state` sees a container as soon as its create has begun and may start it then. So `start` waits
 * for a create in progress.
 */
async function lookAtCreated(context: VerbContext, id: string): Promise<ObservedContainer> {
  let last = await lookAt(context, id);
  if (last.status !== "creating") return last;
  const look = async (): Promise<void> => {
    last = await lookAt(context, id);
    if (last.status === "creating") throw wrongState(id, last.status, "it is being created");
  };
  await retry(look, {
    what: `waiting for the create of ${id}`,
    timeoutMs: createTimeoutMs,
    signal: context.interruption.signal,
    retryIf: (error) => isKumiteError(error, "container/wrong-state"),
  });
  return last;
}

function refuseWrongState({ id, status }: ObservedContainer): void {
  switch (status) {
    case "created":
      return;
    case "running":
      throw wrongState(id, status, "cannot start an already running container");
    case "paused":
      throw wrongState(id, status, "cannot start a paused container");
    case "stopped":
      throw wrongState(id, status, "cannot start a container that has stopped");
    case "creating":
      throw wrongState(id, status, "cannot start a container that is being created");
  }
}
