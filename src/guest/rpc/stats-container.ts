/** StatsContainer: resource usage of the container and traffic of its network interfaces. */
import { StatsContainerRequest, StatsContainerResponse } from "../../protocol/gen/kata/control.ts";
import { readCgroupStats } from "../cgroup/stats.ts";
import { readNetworkStats } from "../container/network-stats.ts";
import { rpc } from "./rpc.ts";

export const statsContainer = rpc("StatsContainer", StatsContainerRequest, StatsContainerResponse, (agent, request) => {
  const container = agent.sandbox.container(request.containerId);
  if (container.state.phase === "stopped") throw container.wrongState("running");
  return {
    cgroupStats: readCgroupStats(container.cgroup.directory),
    networkStats: readNetworkStats(container.first.born.pid),
  };
});
