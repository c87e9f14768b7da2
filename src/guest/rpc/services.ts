/** The agent's services with all their methods. */
import type { TtrpcService } from "../../protocol/ttrpc/service-table.ts";
import type { Agent } from "../agent.ts";
import { check } from "./check.ts";
import { closeStdin } from "./close-stdin.ts";
import { createContainer } from "./create-container.ts";
import { createSandbox } from "./create-sandbox.ts";
import { destroySandbox } from "./destroy-sandbox.ts";
import { execProcess } from "./exec-process.ts";
import { getGuestDetails } from "./get-guest-details.ts";
import { readStderr } from "./read-stderr.ts";
import { readStdout } from "./read-stdout.ts";
import { removeContainer } from "./remove-container.ts";
import { reseedRandomDev } from "./reseed-random-dev.ts";
import { afterBoot, onDemand, type Rpc, service } from "./rpc.ts";
import { setGuestDateTime } from "./set-guest-date-time.ts";
import { signalProcess } from "./signal-process.ts";
import { startContainer } from "./start-container.ts";
import { ttyWinResize } from "./tty-win-resize.ts";
import { version } from "./version.ts";
import { waitProcess } from "./wait-process.ts";
import { writeStdin } from "./write-stdin.ts";

const onDemandNames: readonly string[] = [
  "AddSwap",
  "GetDiagnosticData",
  "GetOOMEvent",
  "ListProcesses",
  "MemHotplugByProbe",
  "OnlineCPUMem",
  "PauseContainer",
  "ResumeContainer",
  "StatsContainer",
  "UpdateContainer",
];

/** Kumite's own methods, for Kumite hosts. */
const snapshotNames: readonly string[] = ["ExpectReplacement", "Rename"];

const loaded = (name: string): Rpc => onDemand(name, async () => (await import("./on-demand.ts")).onDemandMethods);

const health: readonly Rpc[] = [check, version];

const agentService: readonly Rpc[] = [
  closeStdin,
  createContainer,
  createSandbox,
  destroySandbox,
  execProcess,
  getGuestDetails,
  readStderr,
  readStdout,
  removeContainer,
  reseedRandomDev,
  setGuestDateTime,
  signalProcess,
  startContainer,
  ttyWinResize,
  waitProcess,
  writeStdin,
  ...onDemandNames.map(loaded),
];

export function agentServices(agent: Agent): TtrpcService[] {
  return [
    service("grpc.Health", health, agent),
    service("grpc.AgentService", agentService.map(afterBoot), agent),
    service("kumite.agent.v1.Snapshots", snapshotNames.map(loaded).map(afterBoot), agent),
  ];
}
