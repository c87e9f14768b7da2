/**
 * `kumite ps`: the processes of a container. The table shows the processes with the guest's pids. JSON shows the pids
 * of the host processes that stand for them, for engines that look these up.
 */
import type { VerbContext } from "../context.ts";
import { connectTo, lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";

export async function ps(context: VerbContext, { args, flags, command }: Invocation<"ps">): Promise<number> {
  const [id = ""] = args;
  const container = await lookAtLiving(context, id);
  const asTable = flags.format !== "json";
  const shim = await connectTo(context, container);
  try {
    const { table, hostPids } = await shim.oci.processes({ id, table: asTable, psArgs: [...command] });
    await context.output.out(asTable ? table : `${JSON.stringify(hostPids)}\n`);
  } finally {
    shim.close();
  }
  return 0;
}
