/**
 * Stops a sandbox for a moment in which it can be copied: what its machine is, as data, and where its memory and its disk
 * are. Who copies them, and to where, is the caller's affair. The sandbox goes on afterwards, and nobody in it knows.
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

/** Of a container with its machine, as JSON can hold it. */
export interface SavedSandbox {
  /** Of `machineKey`. */
  readonly machine: string;
  /** That the agent knows whoever goes on by, in hexadecimal digits. */
  readonly token: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  readonly lastPort: number;
  readonly container: SavedContainer;
  /** The container's own first. */
  readonly processes: readonly SavedProcess[];
}

export interface SavedContainer {
  /** The agent goes on calling it that. */
  readonly nameInGuest: string;
  readonly bundle: Bundle;
  readonly resources: OciResources;
}

export interface SavedProcess {
  /** Missing for the container's own. */
  readonly execId?: string;
  readonly terminal: boolean;
  readonly consoleSize?: ConsoleSize;
  readonly spec?: OciProcess;
  readonly ports: StreamPorts;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
}

/** While the machine stands still. */
export interface FrozenSandbox {
  readonly saved: SavedSandbox;
  /** Of the devices. */
  readonly state: Uint8Array;
  /** Paths. */
  readonly memory: string;
  readonly lower: string;
  readonly upper: string;
}

/**
 * The file that the process has open under this name. One that was removed, or replaced, since then is reached through the
 * process: an image's name may go while machines run on it.
 */
async function openedBy(os: Os, pid: number, path: string): Promise<string> {
  const directory = `/proc/${pid}/fd`;
  const descriptors = await os.files.list(directory);
  // Some are closed while they are looked at.
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
 * Calls `copy` while the machine stands still, and lets it go on whatever becomes of that.
 *
 * @throws KumiteError `snapshot/impossible`; `container/wrong-state` unless its program runs; what `copy` throws; of the VMM
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
      throw new KumiteError("internal", `sandbox ${id} has not two disks`);
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
 * The container's processes stand still before the machine does, and in a copy until it has a time, a name and random bytes of
 * its own: none of them can see or draw what another copy has.
 */
async function standStill({ host }: Sandbox, vm: Vm): Promise<AsyncDisposable> {
  const { id, log } = host;
  await vm.agent.pauseContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
  return {
    [Symbol.asyncDispose]: async () => {
      try {
        await vm.agent.resumeContainer({ containerId: id }, { timeoutMs: callTimeoutMs });
      } catch (error) {
        // It may have ended, or its machine: whoever waits for that is told so.
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

/** One that is being started, or has ended, is nothing that goes on. */
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
