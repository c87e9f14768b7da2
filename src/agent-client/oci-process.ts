/** `process` of the OCI runtime specification as the protocol's message. Pure. */
import type { OciProcess } from "../oci/spec.ts";
import type { Process } from "../protocol/gen/kata/oci.ts";
import type { MessageInit } from "../protocol/ttrpc/service.ts";
import { int64Of, uint64Of } from "./integers.ts";

export function processMessage(process: OciProcess): MessageInit<Process> {
  const { terminal, consoleSize, user, capabilities } = process;
  return {
    Terminal: terminal,
    ConsoleSize: consoleSize && { Height: consoleSize.height, Width: consoleSize.width },
    User: user && { UID: user.uid, GID: user.gid, AdditionalGids: user.additionalGids, Username: user.username },
    Args: process.args,
    Env: process.env,
    Cwd: process.cwd,
    Capabilities: capabilities && {
      Bounding: capabilities.bounding,
      Effective: capabilities.effective,
      Inheritable: capabilities.inheritable,
      Permitted: capabilities.permitted,
      Ambient: capabilities.ambient,
    },
    Rlimits: process.rlimits?.map(({ type, hard, soft }) => ({
      Type: type,
      Hard: uint64Of(hard),
      Soft: uint64Of(soft),
    })),
    NoNewPrivileges: process.noNewPrivileges,
    ApparmorProfile: process.apparmorProfile,
    OOMScoreAdj: int64Of(process.oomScoreAdj),
    SelinuxLabel: process.selinuxLabel,
  };
}
