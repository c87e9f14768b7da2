/**
 * The QEMU driver: one VM is one QEMU process and one file-sharing daemon per directory shared by virtio-fs.
 * QEMU talks to us through descriptors that are connected before it runs: no paths, no retries.
 */
import type { Descriptor, Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import { Scope } from "../../util/scope.ts";
import type { Driver, RunningVm, StartContext } from "../driver.ts";
import { Program, type ProgramOptions, type ProgramRequest } from "../program.ts";
import type { Disk, SharedDirectory, VmSpec } from "../spec.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { capabilitiesOf, refuseUnsupported } from "./capabilities.ts";
import { qemuArguments } from "./command-line.ts";
import { explainDaemons } from "./daemon-deaths.ts";
import { withFilesHanded } from "./handed-files.ts";
import { isNested, tscFrequencyKhz } from "./host-cpu.ts";
import { orWithThreads } from "./io-uring.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import type { Boot, MachineType, QemuMachine } from "./machine.ts";
import { type MachineFiles, requireFiles } from "./machine-files.ts";
import type { QemuDriverOptions } from "./options.ts";
import { capabilitiesOfQemu, type QemuUser, userOfQemu } from "./own-user.ts";
import { daemonSocket, firstFileFd, hasScsi, inheritedFds, planMachine, qemuFd } from "./plan-machine.ts";
import { QemuVm } from "./qemu-vm.ts";
import { areFew, daemonProgram, filesOfDaemon, namesOptions, openFilesFor } from "./virtiofsd.ts";

/** A daemon ends by itself when QEMU hangs up; one that QEMU never called does not. */
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
  };
}

/** What every step of one start needs. */
interface Starting {
  readonly os: Os;
  readonly options: QemuDriverOptions;
  readonly spec: VmSpec;
  readonly context: StartContext;
  /** Undoes what was made, unless the VM takes it over. */
  readonly scope: Scope;
}

async function start(os: Os, options: QemuDriverOptions, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  const files = await requireFiles(os, options, spec);
  const machine = await machineFor(os, options, spec, context, files);
  await using scope = new Scope({
    onFailure: ({ name, error }) =>
      context.log("warn", `undoing a failed start: ${name} failed`, { error: String(error) }),
  });
  const user = await requireUser(os, options, spec, files, machine, context);
  context.phase?.("accelerator");
  const starting: Starting = { os, options, spec, context, scope };
  const daemons: Program[] = [];
  let daemonFiles = 0;
  for (const [index, directory] of spec.sharedDirectories.entries()) {
    if (directory.by === "9p") continue;
    const { daemon, files: most } = await startDaemon(starting, files.daemon, directory, index);
    daemons.push(daemon);
    daemonFiles = most;
  }
  if (daemons.length > 0) context.phase?.("virtiofsd");
  const qemu = await startQemu(starting, files, machine, user).catch(async (error: unknown) => {
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

async function machineFor(
  os: Os,
  options: QemuDriverOptions,
  spec: VmSpec,
  context: StartContext,
  { qemu, kernel, initrd, images, memoryIsDirectory }: MachineFiles,
): Promise<QemuMachine> {
  const { cacheDirectory } = options;
  const accelerator = await chooseAccelerator(os, context, {
    choice: options.accelerator,
    qemu,
    kernel,
    cgroups: spec.cgroups,
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
  });
  const machineType = options.machineType ?? "q35";
  const own = kernelParameters({
    accelerator,
    machineType,
    verbose: options.debug === true,
    tscKhz: accelerator === "tcg" ? await clockOf(os, machineType) : undefined,
    maxVcpus: spec.maxVcpus ?? spec.vcpus,
    iommu: spec.iommu === true,
    scsi: hasScsi(spec),
    image: spec.guest.image,
  });
  const parameters = [...own, ...spec.kernelParameters];
  const boot: Boot =
    spec.restoreFrom === undefined
      ? { kind: "kernel", kernel, ...(initrd === undefined ? {} : { initrd }), parameters }
      : { kind: "incoming" };
  const nested = await isNested(os);
  const machine = planMachine(spec, options, { accelerator, boot, memoryIsDirectory, nested, files: images });
  return withFilesHanded(machine, firstFileFd(spec));
}

/** @throws KumiteError `hypervisor/unsupported` where it must not be root and cannot be another */
async function requireUser(
  os: Os,
  options: QemuDriverOptions,
  spec: VmSpec,
  files: MachineFiles,
  { accelerator }: QemuMachine,
  context: StartContext,
): Promise<QemuUser> {
  const user = await userOfQemu(os, options, spec, files, accelerator);
  if (user.kind === "own") return user;
  if (options.rootless === true) {
    throw new KumiteError("hypervisor/unsupported", `qemu cannot run as a user of its own: ${user.reason}`, {
      phase: "hypervisor.start",
      hint: "change that, or set rootless = false in [hypervisor.qemu]",
    });
  }
  context.log("info", "qemu runs as root", { reason: user.reason });
  return user;
}

/** A board without another clock stops for ever when it has to find the frequency out by itself and fails. */
async function clockOf(os: Os, machineType: MachineType): Promise<number | undefined> {
  const frequency = await tscFrequencyKhz(os);
  if (frequency !== undefined || machineType !== "microvm") return frequency;
  throw new KumiteError("hypervisor/unsupported", "/proc/cpuinfo has no bogomips, which an emulated microvm needs", {
    phase: "hypervisor.start",
    hint: 'set machine_type = "q35" or "pc"',
  });
}

async function startDaemon(
  { os, options, spec, context, scope }: Starting,
  program: string,
  directory: SharedDirectory,
  index: number,
): Promise<{ readonly daemon: Program; readonly files: number }> {
  const socket = daemonSocket(spec, index);
  await context.willMake({ kind: "file", path: socket });
  scope.add("virtiofsd's socket", () => removeIfThere(os, socket));
  const key = index === 0 ? "virtiofsd" : `virtiofsd-${index}`;
  const [status = "", most = "", limits = ""] = await Promise.all(
    ["/proc/self/status", "/proc/sys/fs/nr_open", "/proc/self/limits"].map((file) => os.files.readText(file)),
  );
  const openFiles = openFilesFor(status, most);
  const files = filesOfDaemon(openFiles, options.virtioFs?.extraArguments ?? [], limits);
  const room = { openFiles, fewFiles: areFew(files) };
  const request = daemonProgram({ program, directory, socket, ...room, cgroups: spec.cgroups, ...options.virtioFs });
  const daemon = await Program.start(os, context, key, request, saying(context, key));
  scope.add(key, () => daemon.kill(daemonGraceMs));
  return { daemon, files };
}

async function startQemu(
  { os, options, spec, context, scope }: Starting,
  { qemu: program, memoryIsDirectory }: MachineFiles,
  machine: QemuMachine,
  user: QemuUser,
): Promise<Program> {
  const descriptors: Record<number, Descriptor> = {
    [qemuFd.monitor]: { kind: "stream" },
    [qemuFd.agent]: { kind: "stream" },
    [qemuFd.console]: { kind: "stream" },
  };
  const { memoryBacking, restoreFrom } = spec;
  if (memoryBacking?.kind === "file" && !memoryIsDirectory) {
    descriptors[qemuFd.memory] = { kind: "read", path: memoryBacking.path };
  }
  if (restoreFrom !== undefined) descriptors[qemuFd.state] = { kind: "read", path: restoreFrom };
  if (options.extraMonitor !== undefined) {
    const path = `${spec.directory}/${extraMonitorSocket}`;
    await context.willMake({ kind: "file", path });
    scope.add("the extra monitor's socket", () => removeIfThere(os, path));
    descriptors[qemuFd.extraMonitor] = { kind: "listen", path, mode: 0o600 };
  }
  for (const [index, fd] of inheritedFds(spec).entries()) descriptors[qemuFd.first + index] = { kind: "inherit", fd };
  for (const { fd, descriptor } of machine.files ?? []) descriptors[fd] = descriptor;
  const request: ProgramRequest = {
    path: program,
    argv: [program, ...qemuArguments(machine)],
    env: {},
    cwd: "/",
    descriptors,
    cgroups: spec.cgroups,
    // What it needs is open; a guest that takes it over must not mount, load or enter anything.
    capabilities: capabilitiesOfQemu(spec),
    smallPages: wantsSmallPages(machine),
    ...(user.kind === "own" ? { ownUser: { group: user.group } } : {}),
    ...(user.kind === "own" && user.tree !== undefined ? { tree: user.tree } : {}),
  };
  const qemu = await Program.start(os, context, "qemu", request, saying(context, "qemu"));
  scope.add("qemu", () => qemu.kill());
  return qemu;
}

/**
 * An emulator that goes on from a state touches a little of much: whole huge pages cost three MiB more. One that boots
 * fills most of them with code that it translates, and is spared a fifth of its page faults; but memory that a guest has
 * to itself would be taken in huge pages too.
 */
function wantsSmallPages({ accelerator, boot, memory }: QemuMachine): boolean {
  const { kind = "ram" } = memory.backing ?? {};
  return accelerator === "tcg" && (boot.kind === "incoming" || kind === "ram");
}

/** What a program warns of is nothing to bother anybody with while everything works; what it dies of is in the error. */
function saying({ log }: StartContext, key: string): ProgramOptions {
  return { onLine: (line) => log("debug", `${key} says`, { line }) };
}

const extraMonitorSocket = "extra-monitor.sock";

async function removeIfThere(os: Os, path: string): Promise<void> {
  if ((await os.files.linkStatus(path)) !== undefined) await os.files.removeFile(path);
}
