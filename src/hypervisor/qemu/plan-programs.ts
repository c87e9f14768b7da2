/**
 * Plans the processes of a VM before any of them exists. The same specification on the same host yields the same
 * requests on both engines. Makes nothing, except for a probe if it is not known yet whether KVM works.
 */
import type { Descriptor, Os } from "../../sys/os.ts";
import { KumiteError } from "../../util/errors.ts";
import type { StartContext } from "../driver.ts";
import type { ProgramRequest } from "../program.ts";
import type { SharedDirectory, VmSpec } from "../spec.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { qemuArguments } from "./command-line.ts";
import { withFilesHanded } from "./handed-files.ts";
import { isNested, tscFrequencyKhz } from "./host-cpu.ts";
import { kernelParameters } from "./kernel-parameters.ts";
import type { Boot, MachineType, QemuMachine } from "./machine.ts";
import { type MachineFiles, requireFiles } from "./machine-files.ts";
import type { QemuDriverOptions } from "./options.ts";
import { capabilitiesOfQemu, type QemuUser, userOfQemu } from "./own-user.ts";
import { daemonSocket, firstFileFd, hasScsi, inheritedFds, planMachine, qemuFd } from "./plan-machine.ts";
import { firstCommands, firstText } from "./qmp/first-commands.ts";
import { areFew, daemonProgram, filesOfDaemon, keepsRights, openFilesFor } from "./virtiofsd.ts";

export interface PlannedProgram {
  /** Its name in the journal and in errors. */
  readonly key: string;
  readonly request: ProgramRequest;
  /** Paths of sockets that are bound for it. They must be in the journal before the start and be removed afterwards. */
  readonly sockets: readonly string[];
}

export interface MachinePrograms {
  readonly machine: QemuMachine;
  /** The order of starting: QEMU connects to the sockets of the daemons. */
  readonly daemons: readonly PlannedProgram[];
  /** How many files a daemon may have open; 0 without daemons. */
  readonly daemonFiles: number;
  readonly qemu: PlannedProgram;
}

/** @throws KumiteError if the host or the specification rules something out */
export async function planPrograms(
  os: Os,
  options: QemuDriverOptions,
  spec: VmSpec,
  context: StartContext,
): Promise<MachinePrograms> {
  const files = await requireFiles(os, options, spec);
  const machine = await machineFor(os, options, spec, context, files);
  const user = await requireUser(os, options, { spec, files, machine }, context);
  const planned = await Promise.all(
    servedByDaemon(spec).map(([index, directory]) =>
      planDaemon(os, options, spec, { program: files.daemon, directory, index }),
    ),
  );
  return {
    machine,
    daemons: planned.map(({ daemon }) => daemon),
    daemonFiles: planned.at(-1)?.files ?? 0,
    qemu: planQemu(options, spec, files, machine, user),
  };
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
    filesByDaemon: servedByDaemon(spec).length > 0,
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

function servedByDaemon({ sharedDirectories }: VmSpec): [index: number, directory: SharedDirectory][] {
  return [...sharedDirectories.entries()].filter(([, { by }]) => by !== "9p");
}

/** @throws KumiteError `hypervisor/unsupported` if QEMU must not run as root but has to */
async function requireUser(
  os: Os,
  options: QemuDriverOptions,
  { spec, files, machine }: { readonly spec: VmSpec; readonly files: MachineFiles; readonly machine: QemuMachine },
  context: StartContext,
): Promise<QemuUser> {
  const user = await userOfQemu(os, options, spec, files, machine.accelerator);
  if (user.kind === "own") return user;
  if (options.rootless === true) {
    throw new KumiteError("hypervisor/unsupported", `qemu cannot run as an unprivileged user: ${user.reason}`, {
      phase: "hypervisor.start",
      hint: "correct that, or set rootless = false in [hypervisor.qemu] to run QEMU as root",
    });
  }
  context.log("info", "qemu runs as root", { reason: user.reason });
  return user;
}

/** A board without another clock hangs if it has to determine the frequency itself and fails. */
async function clockOf(os: Os, machineType: MachineType): Promise<number | undefined> {
  const frequency = await tscFrequencyKhz(os);
  if (frequency !== undefined || machineType !== "microvm") return frequency;
  throw new KumiteError("hypervisor/unsupported", "/proc/cpuinfo has no bogomips, which an emulated microvm needs", {
    phase: "hypervisor.start",
    hint: 'set machine_type = "q35" or "pc"',
  });
}

interface DaemonPlan {
  readonly program: string;
  readonly directory: SharedDirectory;
  /** Of the directory in the specification. */
  readonly index: number;
}

async function planDaemon(
  os: Os,
  { virtioFs }: QemuDriverOptions,
  spec: VmSpec,
  { program, directory, index }: DaemonPlan,
): Promise<{ readonly daemon: PlannedProgram; readonly files: number }> {
  const socket = daemonSocket(spec, index);
  const [status = "", most = "", limits = ""] = await Promise.all(
    ["/proc/self/status", "/proc/sys/fs/nr_open", "/proc/self/limits"].map((file) => os.files.readText(file)),
  );
  const openFiles = openFilesFor(status, most);
  const files = filesOfDaemon(openFiles, virtioFs?.extraArguments ?? [], limits);
  const room = { openFiles, fewFiles: areFew(files), keepsRights: keepsRights(status) };
  const request = daemonProgram({ program, directory, socket, ...room, cgroups: spec.cgroups, ...virtioFs });
  return { daemon: { key: index === 0 ? "virtiofsd" : `virtiofsd-${index}`, request, sockets: [socket] }, files };
}

function planQemu(
  { extraMonitor }: QemuDriverOptions,
  spec: VmSpec,
  { qemu: program, memoryIsDirectory }: MachineFiles,
  machine: QemuMachine,
  user: QemuUser,
): PlannedProgram {
  const descriptors: Record<number, Descriptor> = {
    [qemuFd.monitor]: { kind: "stream", said: firstText(firstCommands(spec.restoreFrom !== undefined)) },
    [qemuFd.agent]: { kind: "stream", ...(spec.agentHears !== undefined && { said: spec.agentHears }) },
    [qemuFd.console]: { kind: "stream" },
  };
  const { memoryBacking, restoreFrom } = spec;
  if (memoryBacking?.kind === "file" && !memoryIsDirectory) {
    descriptors[qemuFd.memory] = { kind: "read", path: memoryBacking.path };
  }
  if (restoreFrom !== undefined) descriptors[qemuFd.state] = { kind: "read", path: restoreFrom };
  const sockets = extraMonitor === undefined ? [] : [`${spec.directory}/extra-monitor.sock`];
  for (const path of sockets) descriptors[qemuFd.extraMonitor] = { kind: "listen", path, mode: 0o600 };
  for (const [index, fd] of inheritedFds(spec).entries()) descriptors[qemuFd.first + index] = { kind: "inherit", fd };
  for (const { fd, descriptor } of machine.files ?? []) descriptors[fd] = descriptor;
  const request: ProgramRequest = {
    path: program,
    argv: [program, ...qemuArguments(machine)],
    env: {},
    cwd: "/",
    descriptors,
    cgroups: spec.cgroups,
    // Everything that QEMU needs is open. A guest that takes QEMU over must not be able to mount, load or enter
    // anything.
    capabilities: capabilitiesOfQemu(spec),
    smallPages: wantsSmallPages(machine),
    ...(user.kind === "own" ? { ownUser: { group: user.group } } : {}),
    ...(user.kind === "own" && user.tree !== undefined ? { tree: user.tree } : {}),
  };
  return { key: "qemu", request, sockets };
}

/**
 * Whether huge pages are disabled. A restored VM under emulation touches few bytes in many places, where huge pages
 * would cost 3 MiB more. A booting one fills most of them with translated code and has a fifth fewer page faults with
 * them; but private guest memory would then use huge pages, too.
 */
function wantsSmallPages({ accelerator, boot, memory }: QemuMachine): boolean {
  const { kind = "ram" } = memory.backing ?? {};
  return accelerator === "tcg" && (boot.kind === "incoming" || kind === "ram");
}
