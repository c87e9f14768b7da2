/**
 * Runs the real agent in fresh namespaces of the host's kernel instead of a VM. It starts in milliseconds and is meant
 * for tests. It isolates nothing, and its capabilities say so. Shared directories are bind mounts. The agent lacks the
 * capabilities to set the clock, load modules or restart the host.
 */
import type { Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import type { Driver, RunningVm, StartContext } from "../driver.ts";
import { Program } from "../program.ts";
import { requireFile } from "../required-file.ts";
import type { VmSpec } from "../spec.ts";
import { ProcessVm, processFd } from "./process-vm.ts";

export function processDriver(os: Os): Driver {
  return {
    name: "process",
    capabilities: {
      isolates: false,
      ownClock: false,
      ownKernel: false,
      sharing: ["bind"],
      disks: [],
      hotplug: [],
      snapshots: false,
    },
    start: (spec, context) => start(os, spec, context),
  };
}

async function start(os: Os, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  if (spec.restoreFrom !== undefined || spec.memoryBacking !== undefined) {
    throw new KumiteError("hypervisor/unsupported", "the process driver cannot save or restore VMs", {
      phase: "hypervisor.start",
    });
  }
  const agent = await requireFile(os, {
    what: "the agent",
    paths: [spec.guest.agent],
    hint: "run `npm run setup` in the source tree, or install Kumite again",
  });
  const request = {
    path: agent,
    // The agent makes its namespaces itself, and stays under this name as the parent of their first process.
    argv: [`kumite-agent-${spec.id}`, "--process", "--channel-fd", String(processFd.agent)],
    env: {},
    cwd: "/",
    descriptors: { [processFd.agent]: { kind: "stream" } as const },
    cgroups: spec.cgroups,
    // Programs in the guest may be set-user-ID.
    noNewPrivileges: false,
  };
  const onLine = (line: string): void => context.onConsoleLine?.(line);
  const program = await Program.start(os, context, "agent", request, { onLine });
  return new ProcessVm(program, context);
}
