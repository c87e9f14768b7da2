/** The methods that are loaded with their first call. A part of the agent's code of its own, see `onDemand`. */
import { addSwap } from "./add-swap.ts";
import { expectReplacement } from "./expect-replacement.ts";
import { getDiagnosticData } from "./get-diagnostic-data.ts";
import { getOomEvent } from "./get-oom-event.ts";
import { listProcesses } from "./list-processes.ts";
import { memHotplugByProbe } from "./mem-hotplug-by-probe.ts";
import { onlineCpuMem } from "./online-cpu-mem.ts";
import { pauseContainer } from "./pause-container.ts";
import { rename } from "./rename.ts";
import { resumeContainer } from "./resume-container.ts";
import type { Rpc } from "./rpc.ts";
import { statsContainer } from "./stats-container.ts";
import { updateContainer } from "./update-container.ts";

export const onDemandMethods: readonly Rpc[] = [
  addSwap,
  expectReplacement,
  getDiagnosticData,
  getOomEvent,
  listProcesses,
  memHotplugByProbe,
  onlineCpuMem,
  pauseContainer,
  rename,
  resumeContainer,
  statsContainer,
  updateContainer,
];
