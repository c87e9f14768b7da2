/** `kumite start`: the program of created containers begins. */
import type { ObservedSandbox } from "../../sandbox/observe.ts";
import type { VerbContext } from "../context.ts";
import { forEachId } from "../each-id.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export function start(context: VerbContext, { args }: Invocation<"start">): Promise<number> {
  return forEachId(context, args, (id) => startOne(context, id));
}

async function startOne(context: VerbContext, id: string): Promise<void> {
  refuseWrongState(await lookAt(context, id));
  const shim = await connectTo(context, id);
  try {
    await shim.task.start({ id }, { signal: context.interruption.signal });
  } finally {
    shim.close();
  }
}

function refuseWrongState({ id, status }: ObservedSandbox): void {
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
