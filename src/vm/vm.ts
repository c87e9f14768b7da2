/**
 * A running machine with a connected agent: what a sandbox stands on and a factory will hand out.
 * Knows nothing of bundles, containers' state or the command line.
 */
import type { AgentClient } from "../agent-client/agent-client.ts";
import type { DriverCapabilities, RunningVm } from "../hypervisor/driver.ts";

export interface Vm {
  readonly machine: RunningVm;
  readonly capabilities: DriverCapabilities;
  readonly agent: AgentClient;
  /** Disconnects the agent and stops the machine; runs to its end whatever fails on the way. */
  stop(signal?: AbortSignal): Promise<void>;
}
