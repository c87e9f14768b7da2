/** `kumite update`: sets new limits for a container. */
import { encodeUtf8 } from "../../util/text.ts";
import type { VerbContext } from "../context.ts";
import { connectTo, lookAtLiving } from "../open-container.ts";
import type { Invocation } from "../parse.ts";
import { readResourceRequest } from "../resource-request.ts";

const typeUrl = "types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";

export async function update(context: VerbContext, { args, flags }: Invocation<"update">): Promise<number> {
  const [id = ""] = args;
  const container = await lookAtLiving(context, id);
  const resources = await readResourceRequest(context.os, flags);
  if (resources.memory?.kernel || resources.memory?.kernelTCP) {
    context.log.warn("limits of kernel memory have no effect: kernel memory counts towards the memory limit", {
      container: id,
    });
  }
  const shim = await connectTo(context, container);
  try {
    await shim.task.update({ id, resources: { typeUrl, value: encodeUtf8(JSON.stringify(resources)) } });
  } finally {
    shim.close();
  }
  return 0;
}
