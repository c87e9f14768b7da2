/**
 * A sandbox: one virtual machine, the containers in it, and what of them is on the host. This object holds the state;
 * what can be done with it is in the files of the operations, one each.
 */
import type { Config } from "../config/config.ts";
import type { SandboxPaths } from "../persist/paths.ts";
import type { RingFile } from "../persist/ring-file.ts";
import type { SharedMemory } from "../storage/shared-memory.ts";
import type { SharedTree } from "../storage/shared-tree.ts";
import type { Os } from "../sys/os.ts";
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

/** What a sandbox is made in. */
export interface SandboxHost {
  readonly os: Os;
  readonly log: Logger;
  readonly config: Config;
  /** Reads the configuration again, for a sandbox with annotations; without it they have no effect. */
  readonly configFor?: (annotations: Readonly<Record<string, string>>) => Promise<Config>;
  /** State directory of all sandboxes, absolute. */
  readonly root: string;
  /** Of the sandbox, which is the id of its first container. */
  readonly id: string;
  readonly paths: SandboxPaths;
  readonly timeline: Timeline;
  /** Whether the sandbox is to be one that can be saved while it works; default: no. */
  readonly saves?: "required" | "if-possible";
  /**
   * The command that asks for it has made its shared tree and the machine's directory, and perhaps started processes of the
   * machine; `discard` ends those that nobody asked for. Default: nothing was made.
   */
  readonly ahead?: MadeAhead | undefined;
  /** It is held by a program that asked for it, and nobody else asks how it ended; default: no. */
  readonly ofProgram?: true;
}

export interface MadeAhead {
  discard(): Promise<void>;
  /** Disks of a machine that is a clone, in the journal. */
  readonly layers?: AheadLayers | undefined;
}

/** A container that is being added. */
export interface Addition {
  readonly abort: (reason: unknown) => void;
  /** Resolves when it is there, or nothing of it is. */
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
      /** The guest sees the tree. */
      readonly sharing: boolean;
    }
  | { readonly phase: "stopping" }
  | { readonly phase: "stopped" };

export class Sandbox {
  /** Replaced once, by `apply-annotations.ts`, before anything is made. */
  host: SandboxHost;
  readonly processes = new ProcessTable();
  readonly containers = new Map<string, Container>();
  /** By id, beside the one that the sandbox was made with. */
  readonly additions = new Map<string, Addition>();
  /** Resolves when nothing of the sandbox but its record and its id is left. Never rejects. */
  readonly ended: Promise<void>;
  state: SandboxState = { phase: "empty" };
  /** A machine that was up before, for `boot.ts` to take or to discard. */
  warm: WarmMachine | undefined;
  resources: HostResources | undefined;
  /** Set by `make-container.ts`: /dev/shm of all its containers. */
  sharedMemory: SharedMemory | undefined;
  /** Set by `make-container.ts`: where the guest has the root of the container that it was made with. */
  guestRoot: string | undefined;
  /** Set by `boot.ts` and `use-warm.ts`: the disks of its layers are called as those of a template, not after the container. */
  hasTemplateDisks = false;
  /** Set by `boot.ts`: keeps what the guest prints. */
  console: RingFile | undefined;
  /** Set by who finds out that the machine failed. */
  failure: string | undefined;
  /** Changes of the machine's size and of its limits, one after the other. */
  readonly sizeChanges = new Turns();
  /** Set by `create.ts` and `restore.ts`. */
  saving: Saving = { kind: "impossible", why: "`savable` is false" };
  /** Of the container that the sandbox is made with, as the agent knows it. */
  nameInGuest: string;
  /** Set by `own-memory.ts`: it can be saved while it works. */
  savable: SavableMachine | undefined;
  /** One snapshot after the other. */
  readonly snapshots = new Turns();
  /** Set by `fit-machine.ts`: the host has limits for the machine, or it was told that it has none. */
  limited = false;
  /** Set by `guest-swap.ts`: what the guest has. */
  swap = { bytes: 0, files: 0 };
  /** Each vCPU has a processor of the host of its own. */
  pinned = false;
  /** Set by `oom.ts` with its first use. */
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

  /** Fails with `container/not-found`. */
  container(id: string): Container {
    const container = this.containers.get(id);
    if (container !== undefined) return container;
    throw new KumiteError("container/not-found", `container ${id} does not exist`, { data: { id } });
  }

  /** It is the one that the sandbox was made with, and ends with. */
  isOwn({ id }: Pick<Container, "id">): boolean {
    return id === this.host.id;
  }

  /** Fails with `container/wrong-state` when there is no virtual machine to work with. */
  running(): Extract<SandboxState, { phase: "running" }> {
    if (this.state.phase === "running") return this.state;
    throw new KumiteError("container/wrong-state", `sandbox ${this.host.id} is not running: ${this.state.phase}`, {
      data: { sandbox: this.host.id, state: this.state.phase },
    });
  }

  /** A port of the guest that no stream used before. */
  takePort(): number {
    this.#nextPort += 1;
    return this.#nextPort;
  }

  /** The last one that was taken; in a copy the ports up to the original's are taken too. */
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

/** Below it are the ports with a meaning, such as the agent's own. */
const firstStreamPort = 0x1_0000;
