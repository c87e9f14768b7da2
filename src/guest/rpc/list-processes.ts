/**
 * ListProcesses: `json` is an array of pids, `table` the output of ps(1). Pids are those of the VM, not of the
 * container.
 */
import { ListProcessesRequest, ListProcessesResponse } from "../../protocol/gen/kata/control.ts";
import { KumiteError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { parsePsArguments } from "../ps/arguments.ts";
import { readAllFacts, readMachineFacts } from "../ps/facts.ts";
import { renderTable } from "../ps/table.ts";
import { rpc } from "./rpc.ts";

export const listProcesses = rpc("ListProcesses", ListProcessesRequest, ListProcessesResponse, (agent, request) => {
  const { containerId, format, args } = request;
  const container = agent.sandbox.container(containerId);
  if (container.state.phase === "stopped") throw container.wrongState("running");
  switch (format) {
    case "json":
      return { processList: encodeUtf8(JSON.stringify(sorted(container.cgroup.pids()))) };
    case "table": {
      const view = parsePsArguments(args);
      const facts = readAllFacts(sorted(container.cgroup.pids()));
      return { processList: encodeUtf8(renderTable(view, facts, readMachineFacts())) };
    }
    default:
      throw new KumiteError("usage/invalid", `unknown format ${JSON.stringify(format)}: use json or table`);
  }
});

function sorted(pids: readonly number[]): number[] {
  return [...pids].sort((a, b) => a - b);
}
