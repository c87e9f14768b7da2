/** A container while it exists: its state, its processes, and how everything of it is undone. */
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
  /** Its mount namespace. */
  readonly mounts: HeldMounts;
  readonly first: ContainerProcess;
  /** The first process leads a pid namespace of its own: the kernel keeps signals from it that it does not catch. */
  readonly leadsPidNamespace: boolean;
  /** It is in a time namespace that is not the agent's. */
  readonly hasOwnTime: boolean;
  /** Of every process in it, as personality(2) takes it. */
  readonly personality: number | undefined;
  /** Name of the session keyring of every process in it; `undefined`: the agent's. */
  readonly keyring: string | undefined;
  /** Exec processes; the first one is not among them. */
  readonly processes: ProcessTable;
  /** Of every process in it. */
  readonly seccomp: SeccompFilter | undefined;
  /** Of its own user namespace. */
  readonly user: UserNamespacePlan | undefined;
  /** That the guest runs for it. */
  readonly guestHooks: GuestHooks | undefined;
  /** Undoes all that was made for it. */
  readonly undo: Scope;
  /** Nothing of it runs, and nothing can be added; whatever its state is otherwise. Set by `pause.ts`. */
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

  /** Takes the socket of a created container: from here on it counts as running. */
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

  /** The process of that id; empty, or the first one's, is the first. @throws KumiteError `process/not-found` */
  process(execId: string): ContainerProcess {
    return execId === "" || execId === this.first.execId ? this.first : this.processes.require(execId);
  }

  /** Takes the id for a process that is being made, until the result is called. @throws KumiteError `process/exists` */
  reserve(execId: string): () => void {
    if (execId !== this.first.execId) return this.processes.reserve(execId);
    throw new KumiteError("process/exists", `${execId} is the first process of container ${this.id}`);
  }

  #enter(state: ContainerState): void {
    if (this.#state.phase === "created") this.#state.control.close();
    this.#state = state;
  }
}
