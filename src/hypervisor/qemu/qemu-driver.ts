/**
 * The QEMU driver: one VM is one QEMU process and one file-sharing daemon per shared directory.
 * QEMU talks to us through descriptors that are connected before it runs: no paths, no retries.
 */
import type { Os } from "../../sys/os.ts";
import { Scope } from "../../util/scope.ts";
import type { Driver, RunningVm, StartContext } from "../driver.ts";
import { Program } from "../program.ts";
import { requireFile } from "../required-file.ts";
import type { SharedDirectory, VmSpec } from "../spec.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { qemuArguments } from "./command-line.ts";
import { kernelParameters, tscFrequencyKhz } from "./kernel-parameters.ts";
import type { Accelerator, Boot, QemuMachine } from "./machine.ts";
import { agentPortId, QemuVm, qemuFd } from "./qemu-vm.ts";
import { daemonProgram } from "./virtiofsd.ts";

/** Name of the port that the agent looks for in the guest. */
const agentPort = "agent.channel.0";
/** A daemon ends by itself when QEMU hangs up; one that QEMU never called does not. */
const daemonGraceMs = 300;

export interface QemuDriverOptions {
  /** Of the program `qemu-system-x86_64`. */
  readonly path: string;
  /** File-sharing daemons; the first that exists is used. */
  readonly virtioFsDaemons: readonly string[];
  readonly accelerator: "auto" | Accelerator;
  /** The guest's kernel says everything, and its console goes to the log. */
  readonly debug?: boolean;
  /** Where the answer of the KVM probe is kept; default `/run/kumite`. */
  readonly cacheDirectory?: string;
}

export function qemuDriver(os: Os, options: QemuDriverOptions): Driver {
  return {
    name: "qemu",
    capabilities: { isolates: true, ownClock: true, sharing: ["virtio-fs", "9p"], snapshots: true },
    start: (spec, context) => start(os, options, spec, context),
  };
}

/** What every step of one start needs. */
interface Starting {
  readonly os: Os;
  readonly spec: VmSpec;
  readonly context: StartContext;
  /** Undoes what was made, unless the VM takes it over. */
  readonly scope: Scope;
}

async function start(os: Os, options: QemuDriverOptions, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  const files = await requireFiles(os, options, spec);
  const machine = await planMachine(os, options, spec, context, files);
  await using scope = new Scope({
    onFailure: ({ name, error }) =>
      context.log("warn", `undoing a failed start: ${name} failed`, { error: String(error) }),
  });
  const starting: Starting = { os, spec, context, scope };
  const daemons: Program[] = [];
  for (const [index, directory] of daemonDirectories(spec).entries()) {
    daemons.push(await startDaemon(starting, files.daemon, directory, index));
  }
  const qemu = await startQemu(starting, files.qemu, machine);
  const debug = options.debug === true;
  const { id, guest, restoreFrom } = spec;
  const restores = restoreFrom !== undefined;
  const vm = new QemuVm({ os, id, guest, restores, qemu, daemons, resources: scope.handOver(), context, debug });
  try {
    await vm.ready();
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
}

async function planMachine(
  os: Os,
  options: QemuDriverOptions,
  spec: VmSpec,
  context: StartContext,
  { qemu, kernel, initrd }: Files,
): Promise<QemuMachine> {
  const { cacheDirectory } = options;
  const accelerator = await chooseAccelerator(os, context, {
    choice: options.accelerator,
    qemu,
    kernel,
    cgroups: spec.cgroups,
    ...(cacheDirectory === undefined ? {} : { cacheDirectory }),
  });
  const tscKhz = accelerator === "tcg" ? await tscFrequencyKhz(os) : undefined;
  const own = kernelParameters({ accelerator, verbose: options.debug === true, tscKhz });
  const parameters = [...own, ...spec.kernelParameters];
  const boot: Boot =
    spec.restoreFrom === undefined ? { kind: "kernel", kernel, initrd, parameters } : { kind: "incoming" };
  return machineOf(spec, accelerator, boot);
}

interface Files {
  readonly qemu: string;
  readonly kernel: string;
  readonly initrd: string;
  readonly daemon: string;
}

async function requireFiles(os: Os, options: QemuDriverOptions, spec: VmSpec): Promise<Files> {
  const built = "run `npm run setup` in the source tree, or install Kumite again";
  const file = (what: string, paths: readonly string[], hint: string) => requireFile(os, { what, paths, hint });
  const needsDaemon = daemonDirectories(spec).length > 0;
  for (const [key, path] of [
    ["the saved memory", spec.memoryBacking?.path],
    ["the saved state", spec.restoreFrom],
  ] as const) {
    if (path !== undefined) await file(key, [path], "its template is gone; start without it");
  }
  return {
    qemu: await file("QEMU", [options.path], "install the package qemu-system-x86"),
    kernel: await file("the guest kernel", [spec.guest.kernel], built),
    initrd: await file("the guest's initial file system", [spec.guest.initrd], built),
    daemon: needsDaemon
      ? await file(
          "the file-sharing daemon virtiofsd",
          options.virtioFsDaemons,
          "install the package virtiofsd, on Debian 12 qemu-system-common",
        )
      : "",
  };
}

async function startDaemon(
  { os, spec, context, scope }: Starting,
  program: string,
  directory: SharedDirectory,
  index: number,
): Promise<Program> {
  const socket = `${spec.directory}/${daemonSocket(index)}`;
  await context.willMake({ kind: "file", path: socket });
  scope.add("virtiofsd's socket", () => removeIfThere(os, socket));
  const key = index === 0 ? "virtiofsd" : `virtiofsd-${index}`;
  const request = daemonProgram({ program, directory, socket, cgroups: spec.cgroups });
  const daemon = await Program.start(os, context, key, request);
  scope.add(key, () => daemon.kill(daemonGraceMs));
  return daemon;
}

async function startQemu(
  { os, spec, context, scope }: Starting,
  program: string,
  machine: QemuMachine,
): Promise<Program> {
  const qemu = await Program.start(os, context, "qemu", {
    path: program,
    argv: [program, ...qemuArguments(machine)],
    env: {},
    // Sockets of daemons are named relative to it: an absolute path may be longer than an address can be.
    cwd: spec.directory,
    descriptors: {
      [qemuFd.monitor]: { kind: "stream" },
      [qemuFd.agent]: { kind: "stream" },
      [qemuFd.console]: { kind: "stream" },
      ...(spec.memoryBacking && { [qemuFd.memory]: { kind: "read", path: spec.memoryBacking.path } }),
      ...(spec.restoreFrom === undefined ? {} : { [qemuFd.state]: { kind: "read", path: spec.restoreFrom } }),
    },
    cgroups: spec.cgroups,
  });
  scope.add("qemu", () => qemu.kill());
  return qemu;
}

/** Those that a daemon serves. */
function daemonDirectories({ sharedDirectories }: VmSpec): SharedDirectory[] {
  return sharedDirectories.filter(({ by = "virtio-fs" }) => by === "virtio-fs");
}

function daemonSocket(index: number): string {
  return `fs${index}.sock`;
}

function machineOf(spec: VmSpec, accelerator: Accelerator, boot: Boot): QemuMachine {
  const { memoryBacking } = spec;
  const shared = daemonDirectories(spec).map(({ tag }, index) => ({
    tag,
    chardev: `fs${index}`,
    path: daemonSocket(index),
  }));
  return {
    name: `sandbox-${spec.id}`,
    accelerator,
    vcpus: spec.vcpus,
    memoryMiB: spec.memoryMiB,
    sharedMemory: shared.length > 0,
    // QEMU opens it anew, and needs to be able to write: a file that must not be written to is sealed.
    ...(memoryBacking && {
      memoryFile: { path: `/proc/self/fd/${qemuFd.memory}`, shared: memoryBacking.shared },
    }),
    boot,
    monitor: qemuFd.monitor,
    chardevs: [
      { kind: "descriptor", id: "console", fd: qemuFd.console },
      { kind: "descriptor", id: "agent", fd: qemuFd.agent },
      ...shared.map(({ chardev, path }) => ({ kind: "connect", id: chardev, path }) as const),
    ],
    devices: [
      { kind: "serial", chardev: "console" },
      { kind: "virtio-serial", id: "serial", ports: 2 },
      { kind: "port", id: agentPortId, bus: "serial", chardev: "agent", name: agentPort },
      ...shared.map(({ tag, chardev }) => ({ kind: "virtio-fs", chardev, tag }) as const),
      ...spec.sharedDirectories
        .filter(({ by }) => by === "9p")
        .map(({ tag, path }, index) => ({ kind: "9p", id: `dir${index}`, path, tag }) as const),
    ],
  };
}

async function removeIfThere(os: Os, path: string): Promise<void> {
  if ((await os.files.linkStatus(path)) !== undefined) await os.files.removeFile(path);
}
