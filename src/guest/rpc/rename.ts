/** Rename: gives a VM that is a copy of another one its own host name, which its containers see. */
import { RenameRequest, RenameResponse } from "../../protocol/gen/kumite/agent/v1/agent.ts";
import { sethostname } from "../../sys/linux/machine.ts";
import { KumiteError } from "../../util/errors.ts";
import { refuseWithoutKernel } from "./request.ts";
import { rpc } from "./rpc.ts";

/** The kernel's limit. */
const longestName = 64;

export const rename = rpc("Rename", RenameRequest, RenameResponse, (agent, { hostname }) => {
  refuseWithoutKernel(agent, "change its name");
  agent.sandbox.checkRunning();
  if (hostname === "" || hostname.length > longestName) {
    throw new KumiteError(
      "usage/invalid",
      `a host name must have 1 to ${longestName} characters, not ${hostname.length}`,
    );
  }
  // The agent itself is in the UTS namespace of the sandbox, as are all its containers.
  sethostname(hostname);
  return undefined;
});
