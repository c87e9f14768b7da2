/** A container while it exists: its state, its processes, and the undo steps for everything made for it. */
import type { SeccompFilter } from "../../seccomp/filter.ts";
import { KumiteError } from "../../util/errors.ts";
import type { Scope } from "../../util/scope.ts";
import type { ContainerCgroup } from "../cgroup/container-cgroup.ts";
import type { UserNamespacePlan } from "../spec/plan.ts";
import type { ControlSocket } from "./control-socket.ts";
import type { GuestHooks } from "./guest-hooks.ts";
import type { HeldMounts } from "./mount-namespace.ts";
import type { ContainerProcess } from "./process.ts";
import { ProcessTable } from "./process-table.ts";

export type ContainerState =
  /** The first process is prepared and waits at its socket. */
  | { readonly phase: "created"; readonly control: ControlSocket }
  | { readonly phase: "running" }
  | { readonly phase: "stopped" };

export class Container {
  readonly id: string;
  readonly cgroup: ContainerCgroup;
  /** The container's mount namespace. */
  readonly mounts: HeldMounts;
  readonly first: ContainerProcess;
  /**
   * Whether the first process leads its own pid namespace. The kernel then drops signals to it that it does not handle.
   */
  readonly leadsPidNamespace: boolean;
  /** Whether the container is in a time namespace other than the agent's. */
  readonly hasOwnTime: boolean;
  /** Personality of all its processes, as for personality(2). */
  readonly personality: number | undefined;
  /** Name of the session keyring of all its processes; `undefined`: the agent's. */
  readonly keyring: string | undefined;
  /** Exec processes, without the first process. */
  readonly processes: ProcessTable;
  /** Filter of all its processes. */
  readonly seccomp: SeccompFilter | undefined;
  /** The container's own user namespace, if it has one. */
  readonly user: UserNamespacePlan | undefined;
  /** Hooks of the guest's own for this container. */
  readonly guestHooks: GuestHooks | undefined;
  /** Undoes everything that was made for the container. */
  readonly undo: Scope;
  /** All processes are frozen and none can be added, independently of `state`. Set by `pause.ts`. */
  isPaused = false;
  #state: ContainerState;

  constructor(parts: {
    readonly id: string;
    readonly cgroup: ContainerCgroup;
    readonly mounts: HeldMounts;
    readonly first: ContainerProcess;
    readonly control: ControlSocket;
    readonly leadsPidNamespace: boolean;
    readonly hasOwnTime: boolean;
    readonly personality: number | undefined;
    readonly keyring: string | undefined;
    readonly seccomp: SeccompFilter | undefined;
    readonly user: UserNamespacePlan | undefined;
    readonly guestHooks: GuestHooks | undefined;
    readonly undo: Scope;
  }) {
    this.id = parts.id;
    this.cgroup = parts.cgroup;
    this.mounts = parts.mounts;
    this.first = parts.first;
    this.leadsPidNamespace = parts.leadsPidNamespace;
    this.hasOwnTime = parts.hasOwnTime;
    this.personality = parts.personality;
    this.keyring = parts.keyring;
    this.seccomp = parts.seccomp;
    this.user = parts.user;
    this.guestHooks = parts.guestHooks;
    this.undo = parts.undo;
    this.processes = new ProcessTable(parts.id);
    this.#state = { phase: "created", control: parts.control };
    void this.first.exited.then(() => this.#enter({ phase: "stopped" }));
  }

  get state(): ContainerState {
    return this.#state;
  }

  /** Returns the socket of a created container, whose state becomes `running`. */
  leaveCreated(): ControlSocket {
    const state = this.#state;
    if (state.phase !== "created") throw this.wrongState("created");
    this.#state = { phase: "running" };
    return state.control;
  }

  wrongState(wanted: string): KumiteError {
    const phase = this.isPaused && this.#state.phase !== "stopped" ? "paused" : this.#state.phase;
    return new KumiteError("container/wrong-state", `container ${this.id} is ${phase}, not ${wanted}`, {
      data: { container: this.id, state: phase },
    });
  }

  /**
   * Returns the process with that id; an empty id means the first process.
   * @throws KumiteError `process/not-found`
   */
  process(execId: string): ContainerProcess {
    return execId === "" || execId === this.first.execId ? this.first : this.processes.require(execId);
  }

  /**
   * Reserves the id for a process that is being created, until the returned function is called.
   * @throws KumiteError `process/exists`
   */
  reserve(execId: string): () => void {
    if (execId !== this.first.execId) return this.processes.reserve(execId);
    throw new KumiteError("process/exists", `${execId} is the first process of container ${this.id}`);
  }

  #enter(state: ContainerState): void {
    if (this.#state.phase === "created") this.#state.control.close();
    this.#state = state;
  }
}
