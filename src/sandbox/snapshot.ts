/**
 * Freezes a sandbox so that it can be copied: describes its VM as data, and names its memory and disks. Copying is up
 * to the caller. Afterwards the sandbox goes on, and nothing in it notices.
 */
import { descriptorPath } from "../factory/keeper/keeper.ts";
import { machineKey } from "../factory/machine-key.ts";
import type { Bundle } from "../oci/bundle.ts";
import type { OciProcess, OciResources } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { toHex } from "../util/hex.ts";
import { freezeVm } from "../vm/freeze-vm.ts";
import type { Vm } from "../vm/vm.ts";
import { type Container, statusOf } from "./container.ts";
import type { StreamPorts } from "./guest-streams.ts";
import type { SavableMachine } from "./own-memory.ts";
import type { ConsoleSize, SandboxProcess } from "./process.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 60_000;

/** A container with its VM, serialisable as JSON. */
export interface SavedSandbox {
  /** The result of `machineKey`. */
  readonly machine: string;
  /** The agent recognises its next host by this token; hexadecimal. */
  readonly token: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly lastPort: number;
  readonly container: SavedContainer;
  /** The container's own process first. */
  readonly processes: readonly SavedProcess[];
}

export interface SavedContainer {
  /** The agent keeps using this name. */
  readonly nameInGuest: string;
  readonly bundle: Bundle;
  readonly resources: OciResources;
}

export interface SavedProcess {
  /** Missing for the container's own process. */
  readonly execId?: string;
  readonly terminal: boolean;
  readonly consoleSize?: ConsoleSize;
  readonly spec?: OciProcess;
  readonly ports: StreamPorts;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
}

/** Valid while the VM is frozen. */
export interface FrozenSandbox {
  readonly saved: SavedSandbox;
  /** State of the devices. */
  readonly state: Uint8Array;
  /** Paths. */
  readonly memory: string;
  readonly lower: string;
  readonly upper: string;
}

/**
 * The file that the process has open under this name. If it was removed or replaced since, it is reached through the
 * process, because an image may be removed while VMs run on it.
 */
async function openedBy(os: Os, pid: number, path: string): Promise<string> {
  const directory = `/proc/${pid}/fd`;
  const descriptors = await os.files.list(directory);
  // Some descriptors are closed during the loop.
  const targets = await Promise.all(
    descriptors.map((name) => os.files.readLink(`${directory}/${name}`).catch(() => undefined)),
  );
  const removed = targets.indexOf(`${path} (deleted)`);
  return removed < 0 ? path : `${directory}/${descriptors[removed]}`;
}

/** @throws KumiteError `snapshot/impossible` with the reason */
export function requireSavable(sandbox: Sandbox): SavableMachine {
  const { saving, savable, host } = sandbox;
  if (saving.kind === "possible" && savable !== undefined) return savable;
  const why = saving.kind === "impossible" ? saving.why : "it has not been started";
  throw new KumiteError("snapshot/impossible", `sandbox ${host.id} cannot be saved: ${why}`, {
    phase: "snapshot",
    data: { id: host.id },
  });
}

/**
 * Calls `copy` while the VM is frozen, and lets the VM go on even if `copy` fails.
 *
 * @throws KumiteError `snapshot/impossible`; `container/wrong-state` unless the container is running; whatever `copy`
 *   throws; errors of the VMM
 */
export async function freezeSandbox<T>(
  sandbox: Sandbox,
  copy: (frozen: FrozenSandbox) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  return await sandbox.snapshots.take(async () => {
    const { os, config, id, paths, log, timeline } = sandbox.host;
    const { keeper, disks, memoryMiB } = requireSavable(sandbox);
    const container = runningContainer(sandbox);
    const { vm } = sandbox.running();
    const machine = await machineKey(os, config);
    const [lower, upper] = disks;
    if (lower === undefined || upper === undefined)
      throw new KumiteError("internal", `sandbox ${id} does not have two disks`);
    const startedMs = timeline.now();
    await using _standing = await standStill(sandbox, vm);
    const { state, token, thaw } = await freezeVm(os, vm, paths.socket, signal);
    try {
      const { vcpus } = vm.status();
      const saved: SavedSandbox = {
        machine,
        token: toHex(token),
        vcpus,
        memoryMiB,
        lastPort: sandbox.lastPort,
        container: {
          nameInGuest: sandbox.nameInGuest,
          bundle: container.bundle,
          resources: container.resources,
        },
        processes: sandbox.processes.of(id).flatMap(savedProcess),
      };
      return await copy({
        saved,
        state,
        memory: descriptorPath(keeper.process, keeper.memory),
        lower: await openedBy(os, vm.machine.pid, lower.path),
        upper: upper.path,
      });
    } finally {
      await thaw();
      log.info("sandbox saved", { phase: "snapshot", ms: Math.round(timeline.now() - startedMs) });
    }
  });
}

/**
 * Pauses the container before the VM is frozen. In a copy the container stays paused until that copy has its own time,
 * name and random seed, so no process can see or draw the same values as in another copy.
 */
async function standStill({ host }: Sandbox, vm: Vm): Promise<AsyncDisposable> {
  const { id, log } = host;
  await vm.agent.pauseContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
  return {
    [Symbol.asyncDispose]: async () => {
      try {
        await vm.agent.resumeContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
      } catch (error) {
        // The container may have ended, or the VM. Those who wait for that are told.
        log.error(`the container could not be resumed: ${messageOf(error)}`, { phase: "snapshot" });
      }
    },
  };
}

function runningContainer(sandbox: Sandbox): Container {
  const { id } = sandbox.host;
  const container = sandbox.container(id);
  const status = statusOf(container);
  if (status === "running") return container;
  throw new KumiteError("container/wrong-state", `sandbox ${id} cannot be saved while its container is ${status}`, {
    phase: "snapshot",
    data: { id, status },
  });
}

/** A process that is being started or has ended is not part of the copy. */
function savedProcess({ key, state, terminal, consoleSize, spec, ports }: SandboxProcess): SavedProcess[] {
  if (state.phase !== "running" || ports === undefined) return [];
  return [
    {
      ...(key.execId !== undefined && { execId: key.execId }),
      terminal,
      ...(consoleSize !== undefined && { consoleSize }),
      ...(spec !== undefined && { spec }),
      ports,
      startedMs: state.startedMs,
    },
  ];
}
