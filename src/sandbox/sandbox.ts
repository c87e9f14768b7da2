/**
 * A sandbox: one VM, the containers in it, and what they have on the host. This object holds the state; each operation
 * on it has its own file.
 */
import type { Config } from "../config/config.ts";
import type { SandboxPaths } from "../persist/paths.ts";
import type { RingFile } from "../persist/ring-file.ts";
import type { SharedMemory } from "../storage/shared-memory.ts";
import type { SharedTree } from "../storage/shared-tree.ts";
import type { Os, SpawnRequest } from "../sys/os.ts";
import { deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { Turns } from "../util/turns.ts";
import type { Vm } from "../vm/vm.ts";
import type { AheadLayers } from "./ahead-layers.ts";
import type { Container } from "./container.ts";
import type { HostResources } from "./host-resources.ts";
import type { OomWatch } from "./oom.ts";
import type { SavableMachine } from "./own-memory.ts";
import { ProcessTable } from "./process-table.ts";
import type { Saving } from "./saving.ts";
import type { Timeline } from "./timeline.ts";
import type { WarmMachine } from "./warm.ts";

/** The environment that a sandbox is made in. */
export interface SandboxHost {
  readonly os: Os;
  readonly log: Logger;
  readonly config: Config;
  /** Reads the configuration again with the sandbox's annotations; without this function they have no effect. */
  readonly configFor?: (annotations: Readonly<Record<string, string>>) => Promise<Config>;
  /** State directory of all sandboxes, absolute. */
  readonly root: string;
  /** The sandbox's id, which is the id of its first container. */
  readonly id: string;
  readonly paths: SandboxPaths;
  readonly timeline: Timeline;
  /** Whether the sandbox must be savable while it runs; default: no. */
  readonly saves?: "required" | "if-possible";
  /**
   * What the command made ahead: the shared tree, the VM's directory, and possibly processes of the VM. `discard` ends
   * processes that were not taken over. Default: nothing was made.
   */
  readonly ahead?: MadeAhead | undefined;
  /** The sandbox is held by a program that asked for it, and nobody else asks how it ended; default: no. */
  readonly ofProgram?: true;
}

export interface MadeAhead {
  discard(): Promise<void>;
  /** Whether a process was started from this very request, and was not taken over yet. */
  has(request: SpawnRequest): boolean;
  /** Disks of a VM that is a clone; they are in the journal. */
  readonly layers?: AheadLayers | undefined;
}

/** A container that is being added. */
export interface Addition {
  readonly abort: (reason: unknown) => void;
  /** Resolves when the container exists, or nothing of it does. */
  readonly done: Promise<void>;
}

export type SandboxState =
  /** Nothing was made. */
  | { readonly phase: "empty" }
  | { readonly phase: "starting" }
  | {
      readonly phase: "running";
      readonly vm: Vm;
      readonly tree: SharedTree;
      /** The guest sees the shared tree. */
      readonly sharing: boolean;
    }
  | { readonly phase: "stopping" }
  | { readonly phase: "stopped" };

export class Sandbox {
  /** Replaced once, by `apply-annotations.ts`, before anything is made. */
  host: SandboxHost;
  readonly processes = new ProcessTable();
  readonly containers = new Map<string, Container>();
  /** Containers that are being added, by id. The first container is not among them. */
  readonly additions = new Map<string, Addition>();
  /** Resolves when only the sandbox's record and id are left. Never rejects. */
  readonly ended: Promise<void>;
  state: SandboxState = { phase: "empty" };
  /** A VM from the cache, for `boot.ts` to use or to discard. */
  warm: WarmMachine | undefined;
  resources: HostResources | undefined;
  /** Set by `make-container.ts`: /dev/shm of all containers. */
  sharedMemory: SharedMemory | undefined;
  /** Set by `make-container.ts`: the path in the guest of the first container's root. */
  guestRoot: string | undefined;
  /**
   * Set by `boot.ts` and `use-warm.ts`: the disks of the layers have a template's serial numbers, not the container's.
   */
  hasTemplateDisks = false;
  /** Set by `start-context.ts` and `use-warm.ts`: the file with the guest's console output. */
  console: RingFile | undefined;
  /** Set by whichever code finds that the VM failed. */
  failure: string | undefined;
  /** Serialises changes of the VM's size and limits. */
  readonly sizeChanges = new Turns();
  /** Set by `create.ts` and `restore.ts`. */
  saving: Saving = { kind: "impossible", why: "`savable` is false" };
  /** The agent's name for the first container. */
  nameInGuest: string;
  /** Set by `own-memory.ts` if the sandbox can be saved while it runs. */
  savable: SavableMachine | undefined;
  /** Serialises snapshots. */
  readonly snapshots = new Turns();
  /** Set by `fit-machine.ts`: the VM has limits on the host, or it was logged that they cannot be enforced. */
  limited = false;
  /** Set by `guest-swap.ts`: the guest's swap. */
  swap = { bytes: 0, files: 0 };
  /** Set by `pin-vcpus.ts`: each vCPU has a CPU of the host of its own. */
  pinned = false;
  /** Set by `oom.ts` at its first use. */
  oom: OomWatch | undefined;
  /** Set by `stop.ts`: the one stop that everyone waits for. */
  stopping: Promise<void> | undefined;
  readonly #ended = deferred();
  #nextPort = firstStreamPort;

  constructor(host: SandboxHost) {
    this.host = host;
    this.nameInGuest = host.id;
    this.ended = this.#ended.promise;
  }

  /** @throws KumiteError `container/not-found` */
  container(id: string): Container {
    const container = this.containers.get(id);
    if (container !== undefined) return container;
    throw new KumiteError("container/not-found", `container ${id} does not exist`, { data: { id } });
  }

  /** Whether this is the sandbox's first container, which starts and ends the sandbox. */
  isOwn({ id }: Pick<Container, "id">): boolean {
    return id === this.host.id;
  }

  /** @throws KumiteError `container/wrong-state` if the VM is not running */
  running(): Extract<SandboxState, { phase: "running" }> {
    if (this.state.phase === "running") return this.state;
    throw new KumiteError(
      "container/wrong-state",
      `sandbox ${this.host.id} is not running: it is ${this.state.phase}`,
      {
        data: { sandbox: this.host.id, state: this.state.phase },
      },
    );
  }

  /** A port of the guest that no stream has used before. */
  takePort(): number {
    this.#nextPort += 1;
    return this.#nextPort;
  }

  /** The last port taken. A copy must skip the ports that its original has taken. */
  get lastPort(): number {
    return this.#nextPort;
  }

  skipPorts(last: number): void {
    this.#nextPort = Math.max(this.#nextPort, last);
  }

  end(): void {
    this.state = { phase: "stopped" };
    this.#ended.resolve();
  }
}

/** Ports below have a fixed meaning, such as the agent's own. */
const firstStreamPort = 0x1_0000;
