/**
 * Runs the real agent in fresh namespaces of the host's kernel instead of a VM: starts in milliseconds, for tests.
 * It is no boundary, and says so in its capabilities. Shared directories are bind mounts; the agent has not the
 * capabilities to set the clock, load modules or restart the host.
 */
import type { Os } from "../../sys/os.ts";
import type { Driver, RunningVm, StartContext } from "../driver.ts";
import { Program } from "../program.ts";
import { requireFile } from "../required-file.ts";
import type { VmSpec } from "../spec.ts";
import { ProcessVm, processFd } from "./process-vm.ts";

export function processDriver(os: Os): Driver {
  return {
    name: "process",
    capabilities: { isolates: false, ownClock: false, sharing: "bind" },
    start: (spec, context) => start(os, spec, context),
  };
}

async function start(os: Os, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  const tool = (name: string) =>
    requireFile(os, { what: `the tool ${name}`, paths: [`/usr/bin/${name}`], hint: "install the package util-linux" });
  const unshare = await tool("unshare");
  const setpriv = await tool("setpriv");
  const agent = await requireFile(os, {
    what: "the agent",
    paths: [spec.guest.agent],
    hint: "run `npm run setup` in the source tree, or install Kumite again",
  });
  const program = await Program.start(os, context, "agent", {
    path: unshare,
    // The agent's own arguments have no place for the id; this process stays as its parent and shows it.
    argv: [
      `kumite-process-vm-${spec.id}`,
      ...newNamespaces,
      "--",
      setpriv,
      ...fewerCapabilities,
      "--",
      agent,
      ...agentOptions,
    ],
    env: {},
    cwd: "/",
    descriptors: { [processFd.agent]: { kind: "stream" } },
    networkNamespace: "new",
    cgroups: spec.cgroups,
    // Programs in the guest may have set-user-ID.
    noNewPrivileges: false,
  });
  return new ProcessVm(program, context);
}

const newNamespaces = [
  "--mount",
  // What is bound below a shared directory later must still arrive.
  "--propagation=slave",
  "--uts",
  "--ipc",
  "--pid",
  "--fork",
  "--mount-proc",
  // The agent is the first process of its namespace: when it goes, everything in it goes.
  "--kill-child=SIGKILL",
];

const fewerCapabilities = ["--bounding-set=-sys_time,-sys_module,-sys_boot"];

const agentOptions = ["--process", "--channel-fd", String(processFd.agent)];
