/**
 * Creates and ends a container as a rehearsal in a VM of the cache. What a guest does for the first time takes several
 * times as long as the second time, above all under emulation, where code must be translated first. Nothing of the
 * rehearsal is left; the VM has no sandbox before and after it.
 */
import type { SharedDirectory } from "../hypervisor/spec.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { OciSpec } from "../oci/spec.ts";
import { guestRootfs, guestSharedDirectory } from "../storage/guest-paths.ts";
import type { SharedTree } from "../storage/shared-tree.ts";
import type { Os } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import type { Vm } from "../vm/vm.ts";
import { connectStreams, type StreamPorts } from "./guest-streams.ts";

export interface Rehearsal {
  readonly vm: Vm;
  readonly tree: SharedTree;
  /** How the guest sees the shared tree. */
  readonly directory: SharedDirectory;
  /** An executable that needs no other files and ends by itself. */
  readonly program: string;
}

const name = "rehearsal";
/** For one call, which can be slow on a busy host that emulates. */
const timeoutMs = 60_000;
/** Below the range that a sandbox uses for its processes. */
const ports: StreamPorts = {
  names: ["stdin", "stdout", "stderr"],
  fields: { stdinPort: 2001, stdoutPort: 2002, stderrPort: 2003 },
};
const maxProgramBytes = 16 * 1024 * 1024;
/** The program's output is discarded. */
const maxOutputBytes = 64 * 1024;

/** @throws KumiteError of the agent; the VM must not be used then */
export async function rehearse(os: Os, rehearsal: Rehearsal, signal: AbortSignal): Promise<void> {
  const { vm, tree, directory, program } = rehearsal;
  const container = `${tree.mounts}/${name}`;
  // The guest cannot write to the shared tree, so the mount points must exist.
  for (const directory of ["proc", "sys", "dev"]) await os.files.makeDirs(`${container}/rootfs/${directory}`, 0o755);
  await os.files.write(`${container}/rootfs/program`, await os.files.readBytes(program, maxProgramBytes), {
    mode: 0o755,
  });
  try {
    await inGuest(vm, directory, signal);
  } finally {
    await os.files.removeTree(container);
  }
}

async function inGuest(vm: Vm, directory: SharedDirectory, signal: AbortSignal): Promise<void> {
  const options = { signal, timeoutMs };
  const { driverOptions: _, ...share } = vm.machine.guestShare(directory);
  const storage = { ...share, mountPoint: guestSharedDirectory, options: [...share.options] };
  if (vm.capabilities.ownClock) await Promise.all([vm.syncTime(signal), vm.reseedRng(signal)]);
  await vm.agent.createSandbox({ hostname: name, sandboxId: name, storages: [storage] }, options);
  const spec = defaultSpec();
  const namespaces = (spec.linux?.namespaces ?? []).filter(({ type }) => type !== "network");
  const document: OciSpec = {
    ...spec,
    root: { path: guestRootfs(name), readonly: false },
    process: { ...spec.process, terminal: false, args: ["/program", "version"], cwd: "/" },
    linux: { ...spec.linux, namespaces },
  };
  const id = { containerId: name, execId: name };
  await vm.agent.createContainer({ ...id, ...vm.agent.specFields(document), ...ports.fields }, options);
  const { stdin, stdout, stderr } = await connectStreams(vm, ports, signal);
  stdin?.close();
  const read = Promise.all([stdout, stderr].map((stream) => stream && readAll(stream, maxOutputBytes)));
  // Nobody needs this output, so an error does not matter.
  read.catch(() => {});
  await vm.agent.startContainer({ containerId: name }, options);
  await vm.agent.waitProcess(id, options);
  await read.catch(() => {});
  for (const stream of [stdout, stderr]) stream?.close();
  await vm.agent.removeContainer({ containerId: name, timeout: 0 }, options);
  await vm.agent.destroySandbox({}, options);
}
