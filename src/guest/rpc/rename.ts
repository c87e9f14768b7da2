/** Rename: the machine is a copy of another one, and its containers are to see which. */
import { RenameRequest, RenameResponse } from "../../protocol/gen/kumite/agent/v1/agent.ts";
import { sethostname } from "../../sys/linux/machine.ts";
import { KumiteError } from "../../util/errors.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

/** Of the kernel. */
const longestName = 64;

export const rename = rpc("Rename", RenameRequest, RenameResponse, (agent, { hostname }) => {
  refuseWithoutKernel(agent, "change its name");
  agent.sandbox.checkRunning();
  if (hostname === "" || hostname.length > longestName) {
    throw new KumiteError("usage/invalid", `a host name has 1 to ${longestName} characters, not ${hostname.length}`);
  }
  // The agent is in the UTS namespace of the sandbox itself, and so are all its containers.
  sethostname(hostname);
  return undefined;
});
