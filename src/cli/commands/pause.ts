/** `kumite pause`: suspends every process of a container. */
import type { VerbContext } from "../context.ts";
import { connectTo, lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function pause(context: VerbContext, { args }: Invocation<"pause">): Promise<number> {
  const [id = ""] = args;
  const container = await lookAtLiving(context, id);
  const shim = await connectTo(context, container);
  try {
    await shim.task.pause({ id });
  } finally {
    shim.close();
  }
  return 0;
}
