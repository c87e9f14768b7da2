/** DestroySandbox: removes the sandbox and its containers; the VM stays. Without a sandbox there is nothing to do. */
import { Empty } from "../../protocol/gen/google/protobuf/empty.ts";
import { DestroySandboxRequest } from "../../protocol/gen/kata/agent.ts";
import { sync } from "../../sys/linux/machine.ts";
import { messageOf } from "../../util/errors.ts";
import { removeContainer } from "../container/remove.ts";
import { endPauseProcess } from "../sandbox/pause-process.ts";
import { rpc } from "./rpc.ts";

export const destroySandbox = rpc("DestroySandbox", DestroySandboxRequest, Empty, async (agent, _request, context) => {
  const { sandbox, log } = agent;
  const removals = sandbox.containerIds.map((id) =>
    sandbox.remove(id, (container) => {
      container.mounts.keep();
      return removeContainer(container, log, context.signal);
    }),
  );
  // All removals are tried; the first failure is reported when all are done.
  const failed = (await Promise.allSettled(removals)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  const details = sandbox.end();
  if (details?.pause !== undefined) await endPauseProcess(details.pause);
  for (const failure of details?.storages.release() ?? []) log.error(messageOf(failure));
  sync();
  if (details !== undefined) log.info("sandbox destroyed", { sandbox: details.id });
  // The host may end the VM now.
  agent.flushLog();
  return undefined;
});
