/** AddSwap: swaps to a disk that the host has attached to the VM for this purpose. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { AddSwapRequest } from "../../protocol/gen/kata/agent.ts";
import { swapOn } from "../../sys/linux/machine.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

export const addSwap = rpc("AddSwap", AddSwapRequest, Empty, async (agent, { PCIPath }, { signal }) => {
  refuseWithoutKernel(agent, "swap");
  const { awaitDisk } = await import("../storage/disks.ts");
  const slots = PCIPath.map((slot) => slot.toString(16).padStart(2, "0"));
  const { node } = await awaitDisk(slots.join("/"), "blk", agent.modules, signal);
  swapOn(node);
  agent.log.info("swap was added", { disk: node });
  return undefined;
});
