/**
 * OnlineCPUMem: takes CPUs and memory online that were plugged into the VM. `nbCpus` is the total number of CPUs to be
 * online: at least, or exactly if a Kumite host asks for it.
 */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { OnlineCPUMemRequest } from "../../protocol/gen/kata/agent.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { offlineCpus, onlineCpus } from "../hotplug/online-cpus.ts";
import { onlineMemory } from "../hotplug/online-memory.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

export const onlineCpuMem = rpc("OnlineCPUMem", OnlineCPUMemRequest, Empty, async (agent, request, { signal }) => {
  refuseWithoutKernel(agent, "bring CPUs online");
  const { nbCpus, cpuOnly, wait } = request;
  if (nbCpus === 0 && cpuOnly) throw new KumiteError("usage/invalid", "the request asks for neither CPUs nor memory");
  const online = async (within: AbortSignal): Promise<void> => {
    if (nbCpus > 0) await onlineCpus(nbCpus, within);
    if (nbCpus > 0 && request.kumiteExact) offlineCpus(nbCpus);
    if (cpuOnly) return;
    // The memory of a virtio-mem device needs its driver.
    agent.modules.need("virtio_mem");
    onlineMemory();
  };
  if (wait) {
    await online(signal);
    return undefined;
  }
  // The work continues after the answer, and the call's signal ends with the call, so it gets another one.
  void online(new AbortController().signal).catch((error: unknown) => {
    agent.log.error("CPUs or memory could not be brought online", { error: messageOf(error) });
  });
  return undefined;
});
