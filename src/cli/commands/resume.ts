/** `kumite resume`: resumes a paused container. */
import type { VerbContext } from "../context.ts";
import { connectTo, lookAt, wrongState } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function resume(context: VerbContext, { args }: Invocation<"resume">): Promise<number> {
  const [id = ""] = args;
  const container = await lookAt(context, id);
  const { status } = container;
  if (status !== "paused") throw wrongState(id, status, "container not paused");
  const shim = await connectTo(context, container);
  try {
    await shim.task.resume({ id });
  } finally {
    shim.close();
  }
  return 0;
}
