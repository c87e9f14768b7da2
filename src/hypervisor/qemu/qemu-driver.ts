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
import type { Accelerator, QemuMachine } from "./machine.ts";
import { QemuVm, qemuFd } from "./qemu-vm.ts";
import { daemonProgram } from "./virtiofsd.ts";

/** Name of the port that the agent looks for in the guest. */
const agentPort = "agent.channel.0";

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
    capabilities: { isolates: true, ownClock: true, sharing: "virtio-fs" },
    start: (spec, context) => start(os, options, spec, context),
  };
}

async function start(os: Os, options: QemuDriverOptions, spec: VmSpec, context: StartContext): Promise<RunningVm> {
  const files = await requireFiles(os, options, spec);
  const accelerator = await chooseAccelerator(os, context, {
    choice: options.accelerator,
    qemu: files.qemu,
    kernel: files.kernel,
    cgroups: spec.cgroups,
    ...(options.cacheDirectory === undefined ? {} : { cacheDirectory: options.cacheDirectory }),
  });
  const tscKhz = accelerator === "tcg" ? await tscFrequencyKhz(os) : undefined;
  const parameters = kernelParameters({ accelerator, verbose: options.debug === true, tscKhz });
  const machine = machineOf(spec, files, accelerator, parameters);

  await using scope = new Scope({
    onFailure: ({ name, error }) =>
      context.log("warn", `undoing a failed start: ${name} failed`, { error: String(error) }),
  });
  const daemons: Program[] = [];
  for (const [index, directory] of spec.sharedDirectories.entries()) {
    daemons.push(await startDaemon(os, spec, context, scope, files.daemon, directory, index));
  }
  const qemu = await Program.start(os, context, "qemu", {
    path: files.qemu,
    argv: [files.qemu, ...qemuArguments(machine)],
    env: {},
    // Sockets of daemons are named relative to it: an absolute path may be longer than an address can be.
    cwd: spec.directory,
    descriptors: {
      [qemuFd.monitor]: { kind: "stream" },
      [qemuFd.agent]: { kind: "stream" },
      [qemuFd.console]: { kind: "stream" },
    },
    cgroups: spec.cgroups,
  });
  scope.add("qemu", () => qemu.kill());
  const resources = scope.handOver();
  const vm = new QemuVm({ id: spec.id, qemu, daemons, resources, context, debug: options.debug === true });
  try {
    await vm.ready();
    return vm;
  } catch (error) {
    await vm.stop();
    throw error;
  }
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
  const needsDaemon = spec.sharedDirectories.length > 0;
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
  os: Os,
  spec: VmSpec,
  context: StartContext,
  scope: Scope,
  program: string,
  directory: SharedDirectory,
  index: number,
): Promise<Program> {
  const socket = `${spec.directory}/${daemonSocket(index)}`;
  await context.willMake({ kind: "file", path: socket });
  scope.add("virtiofsd's socket", () => removeIfThere(os, socket));
  const key = index === 0 ? "virtiofsd" : `virtiofsd-${index}`;
  const daemon = await Program.start(
    os,
    context,
    key,
    daemonProgram({ program, directory, socket, cgroups: spec.cgroups }),
  );
  scope.add(key, () => daemon.kill());
  return daemon;
}

function daemonSocket(index: number): string {
  return `fs${index}.sock`;
}

function machineOf(spec: VmSpec, files: Files, accelerator: Accelerator, parameters: readonly string[]): QemuMachine {
  const shared = spec.sharedDirectories.map(({ tag }, index) => ({
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
    boot: { kernel: files.kernel, initrd: files.initrd, parameters: [...parameters, ...spec.kernelParameters] },
    monitor: qemuFd.monitor,
    chardevs: [
      { kind: "descriptor", id: "console", fd: qemuFd.console },
      { kind: "descriptor", id: "agent", fd: qemuFd.agent },
      ...shared.map(({ chardev, path }) => ({ kind: "connect", id: chardev, path }) as const),
    ],
    devices: [
      { kind: "serial", chardev: "console" },
      { kind: "virtio-serial", id: "serial", ports: 2 },
      { kind: "port", bus: "serial", chardev: "agent", name: agentPort },
      ...shared.map(({ tag, chardev }) => ({ kind: "virtio-fs", chardev, tag }) as const),
    ],
  };
}

async function removeIfThere(os: Os, path: string): Promise<void> {
  if ((await os.files.linkStatus(path)) !== undefined) await os.files.removeFile(path);
}
