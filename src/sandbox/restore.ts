/**
 * Makes a sandbox from the copy of another: the same container in the same state, in a VM of its own and under another
 * name. There are two steps, because the disk must be copied while the original is frozen. After a failure, `stop.ts`
 * undoes what was made.
 */
import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import { hypervisorConfigOf } from "../config/config.ts";
import { machineKey } from "../factory/machine-key.ts";
import type { Disk } from "../hypervisor/spec.ts";
import type { Journal } from "../persist/journal.ts";
import { copySparse } from "../storage/copy-file.ts";
import { diskOf, layerBus } from "../storage/disk-names.ts";
import { newUpperFile } from "../storage/rootfs/make-rootfs.ts";
import { makeSharedTree } from "../storage/shared-tree.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { fromHex } from "../util/hex.ts";
import { retry } from "../util/retry.ts";
import { withDiskDefaults } from "../vm/disk-defaults.ts";
import { startVm } from "../vm/start-vm.ts";
import type { Vm } from "../vm/vm.ts";
import type { VmRequest } from "../vm/vm-spec.ts";
import type { Container } from "./container.ts";
import { limitMachine } from "./fit-machine.ts";
import { connectStreams, type StreamPorts } from "./guest-streams.ts";
import { takeOwnJournal } from "./host-resources.ts";
import { copiedMemory } from "./own-memory.ts";
import { SandboxProcess } from "./process.ts";
import { recordContainer } from "./record.ts";
import type { Sandbox } from "./sandbox.ts";
import type { SavedProcess, SavedSandbox } from "./snapshot.ts";
import { startContextOf } from "./start-context.ts";
import { workshopOf } from "./storage-choices.ts";
import { watchProcess } from "./watch.ts";

/** A restored agent answers within a tenth of a second, or within a few if many start on a busy host. */
const dialTimeoutMs = 30_000;
const streamsTimeoutMs = 5_000;
const callTimeoutMs = 60_000;

export interface CopiedDisks {
  readonly lower: string;
  readonly upper: string;
}

/** Paths. */
export interface CopiedMachine {
  readonly saved: SavedSandbox;
  /** Must not be written to any more. */
  readonly memory: string;
  readonly state: string;
  readonly disks: CopiedDisks;
}

export interface RestoreOptions {
  readonly hostname: string;
  readonly relay: ProcessId;
  /**
   * Whether the new sandbox can be saved again. Its memory is then a copy; otherwise unchanged pages are shared with
   * other copies.
   */
  readonly savable: boolean;
}

/** Takes over the journal and copies the disk. @throws KumiteError `storage/failed` */
export async function copyDisks(
  sandbox: Sandbox,
  { lower, upper }: CopiedDisks,
  signal: AbortSignal,
): Promise<CopiedDisks> {
  const { os, paths, config } = sandbox.host;
  sandbox.state = { phase: "starting" };
  sandbox.resources = await takeOwnJournal(os, paths);
  const { journal } = sandbox.resources;
  const copy = await newUpperFile(os, workshopOf(config, journal));
  await copySparse(os, upper, copy, signal);
  return { lower, upper: copy };
}

/**
 * Resolves when the container runs again and its streams are connected.
 *
 * @throws KumiteError `snapshot/invalid` if this host cannot make such a VM, or an error of the VM's start
 */
export async function restoreSandbox(
  sandbox: Sandbox,
  copied: CopiedMachine,
  options: RestoreOptions,
  signal: AbortSignal,
): Promise<void> {
  const { saved } = copied;
  const { os, id, paths, log, timeline } = sandbox.host;
  const journal = sandbox.resources?.journal;
  if (journal === undefined) throw new KumiteError("internal", `sandbox ${id} has no disks yet`);
  await requireSameMachine(sandbox, saved);
  const tree = await makeSharedTree(os, journal, paths.shared);
  await journal.make({ kind: "directory", path: paths.vm }, () => os.files.makeDir(paths.vm, 0o700));
  const vm = await startCopy(sandbox, copied, journal, options, signal);
  sandbox.state = { phase: "running", vm, tree, sharing: false };
  sandbox.nameInGuest = saved.container.nameInGuest;
  sandbox.skipPorts(saved.lastPort);
  await Promise.all([vm.syncTime(signal), vm.reseedRng(signal), vm.agent.snapshots.rename(options.hostname, signal)]);
  const container = addContainer(sandbox, saved, options.relay);
  await limitMachine(sandbox, signal);
  await vm.agent.resumeContainer({ containerId: id }, { timeoutMs: callTimeoutMs, signal });
  const [, ...others] = saved.processes;
  const processes = [container.process, ...others.map((process) => processOf(sandbox, process, options.relay))];
  for (const process of processes) await goOn(sandbox, vm, process, signal);
  await recordContainer(sandbox, container);
  log.info("sandbox restored", { phase: "restore", ms: timeline.mark("restored") });
}

async function requireSameMachine({ host: { os, config, id } }: Sandbox, { machine }: SavedSandbox): Promise<void> {
  if ((await machineKey(os, config)) === machine) return;
  throw new KumiteError("snapshot/invalid", `sandbox ${id}: the snapshot does not fit the VMs that this host starts`, {
    phase: "restore",
    hint: "restore it with the QEMU and the configuration that it was saved with",
    data: { id, machine },
  });
}

async function startCopy(
  sandbox: Sandbox,
  { saved, memory, state, disks: { lower, upper } }: CopiedMachine,
  journal: Journal,
  { savable }: RestoreOptions,
  signal: AbortSignal,
): Promise<Vm> {
  const { os, config, id, paths } = sandbox.host;
  const { nameInGuest } = saved.container;
  const token = fromHex(saved.token);
  if (token === undefined)
    throw new KumiteError("snapshot/invalid", `sandbox ${id}: the snapshot's token is not valid`);
  const { vcpus, memoryMiB } = saved;
  const disks: Disk[] = [
    diskOf(nameInGuest, "lower", { path: lower, readOnly: true }, layerBus),
    diskOf(nameInGuest, "upper", { path: upper, readOnly: false, cache: { direct: false, noFlush: true } }, layerBus),
  ].map((disk) => withDiskDefaults(hypervisorConfigOf(config), disk));
  const request: VmRequest = {
    id,
    directory: paths.vm,
    cgroups: machineCgroupsIn(journal.content.steps),
    sharedDirectories: [],
    disks,
    size: { vcpus, allVcpus: vcpus, memoryMiB, grows: false },
    memoryBacking: savable
      ? await copiedMemory(sandbox, journal, { from: memory, memoryMiB, disks: await named(os, disks) }, signal)
      : { kind: "file", path: memory, shared: false },
    restoreFrom: state,
    dialTimeoutMs,
    takesOver: { token, container: { onHost: id, inGuest: nameInGuest } },
  };
  sandbox.saving = savable
    ? { kind: "possible" }
    : { kind: "impossible", why: "it was restored without `savable`, and shares its memory with other copies" };
  return await startVm(os, config, request, startContextOf(sandbox, journal, signal));
}

/** Replaces paths below /proc by the files' own names, since a path through another process ends with that process. */
async function named(os: Os, disks: readonly Disk[]): Promise<Disk[]> {
  return await Promise.all(
    disks.map(async (disk) => {
      if (!disk.path.startsWith("/proc/")) return disk;
      return { ...disk, path: (await os.files.readLink(disk.path)).replace(/ \(deleted\)$/, "") };
    }),
  );
}

function addContainer(sandbox: Sandbox, { container, processes: [own] }: SavedSandbox, relay: ProcessId): Container {
  const { os, id, paths, timeline } = sandbox.host;
  const process = processOf(sandbox, own, relay);
  const added: Container = {
    paths,
    timeline,
    onHost: undefined,
    id,
    bundle: container.bundle,
    createdMs: os.clock.now(),
    process,
    resources: container.resources,
    hooks: undefined,
    saveRecord: undefined,
    stopping: undefined,
    plugged: [],
    released: false,
  };
  sandbox.containers.set(id, added);
  return added;
}

/** The process is registered from here on, as running. */
function processOf(sandbox: Sandbox, saved: SavedProcess | undefined, relay: ProcessId): SandboxProcess {
  const { id } = sandbox.host;
  if (saved === undefined) throw new KumiteError("snapshot/invalid", `sandbox ${id}: the snapshot has no process`);
  const { execId, terminal, consoleSize, spec, ports, startedMs } = saved;
  const key = { containerId: id, execId };
  const process = new SandboxProcess({ key, terminal, consoleSize, relay, ...(spec !== undefined && { spec }) });
  process.ports = ports;
  process.moveTo({ phase: "created" });
  process.moveTo({ phase: "running", startedMs });
  sandbox.processes.add(process);
  return process;
}

/** The agent listens again on the ports of open streams once it knows that it has a new host. */
async function goOn(sandbox: Sandbox, vm: Vm, process: SandboxProcess, signal: AbortSignal): Promise<void> {
  const { log } = sandbox.host;
  const connect = (within: AbortSignal) => connectStreams(vm, process.ports as StreamPorts, within);
  try {
    const again = { what: `connecting the streams of ${process.title}`, timeoutMs: streamsTimeoutMs, signal };
    process.stdio.offerGuest(await retry(connect, again));
  } catch (error) {
    // The process may have closed the stream itself. It goes on in any case.
    log.warn(`the output of ${process.title} is lost: ${messageOf(error)}`, { phase: "restore" });
    process.stdio.offerGuest({});
  }
  watchProcess(sandbox, process);
}
