/** MemHotplugByProbe: the addresses of new memory, for kernels that do not detect it. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { MemHotplugByProbeRequest } from "../../protocol/gen/kata/agent.ts";
import { probeMemory } from "../hotplug/online-memory.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

export const memHotplugByProbe = rpc("MemHotplugByProbe", MemHotplugByProbeRequest, Empty, (agent, request) => {
  refuseWithoutKernel(agent, "add memory");
  probeMemory(request.memHotplugProbeAddr);
  return undefined;
});
