/**
 * The QEMU driver: a VM is one QEMU process and one virtiofsd for each directory shared by virtio-fs. We talk to QEMU
 * through descriptors that are connected before it runs, so there are no paths and no retries.
 */
import type { Os } from "../../sys/os.ts";
import { Scope } from "../../util/scope.ts";
import type { Driver, RunningVm, StartContext } from "../driver.ts";
import { Program, type ProgramOptions } from "../program.ts";
import type { Disk, VmSpec } from "../spec.ts";
import { capabilitiesOf, refuseUnsupported } from "./capabilities.ts";
import { explainDaemons } from "./daemon-deaths.ts";
import { orWithThreads } from "./io-uring.ts";
import type { QemuDriverOptions } from "./options.ts";
import { type PlannedProgram, planPrograms } from "./plan-programs.ts";
import { QemuVm } from "./qemu-vm.ts";
import { namesOptions } from "./virtiofsd.ts";

/** A daemon ends by itself when QEMU disconnects, but not if QEMU never connected. */
const daemonGraceMs = 300;
const defaultMessageBytes = 512_000;

export function qemuDriver(os: Os, options: QemuDriverOptions): Driver {
  return {
    name: "qemu",
    capabilities: capabilitiesOf(options.machineType ?? "q35"),
    start: async (spec, context) => {
      refuseUnsupported(spec, options);
      const { disks = [] } = spec;
      const startWith = (served: readonly Disk[]): Promise<RunningVm> =>
        start(os, options, spec.disks === undefined ? spec : { ...spec, disks: served }, context);
      return orWithThreads(os, context.log, disks, startWith);
    },
    programs: async (spec, context) => {
      refuseUnsupported(spec, options);
      const { daemons, qemu } = await planPrograms(os, options, spec, context);
      return [...daemons, qemu].map(({ key, request, sockets }) => ({
        key,
        request: Program.spawnRequest(request),
        sockets,
      }));
    },
  };
}

/** What every step of a start needs. */
interface Starting {
  readonly os: Os;
  readonly context: StartContext;
  /** Undoes what was made, unless the VM takes it over. */
  readonly scope: Scope;
}

async function start(os: Os, options: QemuDriverOptions, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  const { machine, daemonFiles, ...programs } = await planPrograms(os, options, spec, context);
  // A daemon ends with the QEMU that it serves, so neither can be had without the other.
  await os.processes.expect?.([...programs.daemons, programs.qemu].map(({ request }) => Program.spawnRequest(request)));
  await using scope = new Scope({
    onFailure: ({ name, error }) =>
      context.log("warn", `undoing a failed start: ${name} failed`, { error: String(error) }),
  });
  context.phase?.("accelerator");
  const starting: Starting = { os, context, scope };
  const daemons: Program[] = [];
  for (const daemon of programs.daemons) daemons.push(await startProgram(starting, daemon, daemonGraceMs));
  if (daemons.length > 0) context.phase?.("virtiofsd");
  const qemu = await startProgram(starting, programs.qemu, 0).catch(async (error: unknown) => {
    throw await explainDaemons(error, daemons);
  });
  const vm = new QemuVm({
    os,
    id: spec.id,
    guest: spec.guest,
    machine,
    saves: capabilitiesOf(options.machineType ?? "q35").snapshots,
    grows: capabilitiesOf(options.machineType ?? "q35").hotplug.length > 0,
    restores: spec.restoreFrom !== undefined,
    qemu,
    daemons,
    resources: scope.handOver(),
    context,
    messageBytes: options.messageBytes ?? defaultMessageBytes,
    namesOptions: namesOptions(daemonFiles, spec.memoryGrowth?.maxMiB ?? spec.memoryMiB, machine.accelerator),
    memoryDump: options.memoryDump,
    debug: options.debug === true,
  });
  try {
    await vm.ready();
    context.phase?.("qemu");
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

async function startProgram(
  { os, context, scope }: Starting,
  { key, request, sockets }: PlannedProgram,
  graceMs: number,
): Promise<Program> {
  for (const socket of sockets) {
    await context.willMake({ kind: "file", path: socket });
    scope.add(socket, () => removeIfThere(os, socket));
  }
  const program = await Program.start(os, context, key, request, saying(context, key));
  scope.add(key, () => program.kill(graceMs));
  return program;
}

/**
 * Logged at debug level, because warnings do not matter while everything works; after a failure they are in the error.
 */
function saying({ log }: StartContext, key: string): ProgramOptions {
  return { onLine: (line) => log("debug", `${key} says`, { line }) };
}

async function removeIfThere(os: Os, path: string): Promise<void> {
  if ((await os.files.linkStatus(path)) !== undefined) await os.files.removeFile(path);
}
