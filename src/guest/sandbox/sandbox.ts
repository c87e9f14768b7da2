/**
 * The sandbox: its name, its storages and its containers. There is one at a time. While an operation creates or removes
 * a container, other operations on it are refused.
 */
import { unshare } from "../../sys/linux/process.ts";
import { KumiteError } from "../../util/errors.ts";
import type { BornProcess } from "../container/born-process.ts";
import type { Container } from "../container/container.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { StorageHold } from "../storage/storages.ts";

/** The state of a container id. */
type Entry =
  | { readonly kind: "creating" }
  | { readonly kind: "container"; readonly container: Container }
  | { readonly kind: "removing"; readonly container: Container };

/** The parts of an existing sandbox. */
export interface SandboxDetails {
  readonly id: string;
  readonly storages: StorageHold;
  /** Directory with the guest's own hooks; empty: there are none. */
  readonly hookPath: string;
  /**
   * First process of a pid namespace for all containers; `undefined`: containers can share that of the first container.
   */
  readonly pause: BornProcess | undefined;
}

export class Sandbox {
  readonly #entries = new Map<string, Entry>();
  readonly #observers: ((container: Container) => void)[] = [];
  #details: SandboxDetails | undefined;
  /** Whether the agent's UTS and IPC namespaces are fresh. */
  #isApart = false;
  /** The container that was created first. */
  #first: Container | undefined;

  /** @throws KumiteError `container/exists` when there is a sandbox */
  checkAbsent(): void {
    if (this.#details !== undefined)
      throw new KumiteError("container/exists", `sandbox ${this.#details.id} already exists`);
  }

  begin(details: SandboxDetails): void {
    this.checkAbsent();
    this.#details = details;
  }

  /** Creates the namespaces of the next sandbox in advance. */
  makeNamespaces(): void {
    unshare(namespaceFlag.uts | namespaceFlag.ipc);
    this.#isApart = true;
  }

  /**
   * Gives the sandbox UTS and IPC namespaces of its own. The agent itself is in them, so all its children are; nothing
   * of the agent's depends on them.
   */
  takeNamespaces(): void {
    if (!this.#isApart) this.makeNamespaces();
    this.#isApart = false;
  }

  /** Returns what `begin` was given, and forgets it; `undefined` when there is no sandbox. */
  end(): SandboxDetails | undefined {
    const details = this.#details;
    this.#details = undefined;
    this.#first = undefined;
    return details;
  }

  /**
   * Containers can be created only in a sandbox.
   * @throws KumiteError `container/wrong-state`
   */
  checkRunning(): void {
    if (this.#details === undefined) throw new KumiteError("container/wrong-state", "there is no sandbox");
  }

  /**
   * Reserves the id while the container is being created, and keeps it if that succeeds.
   * @throws KumiteError `container/exists`
   */
  async add(id: string, create: () => Promise<Container>): Promise<void> {
    if (this.#entries.has(id)) {
      throw new KumiteError("container/exists", `container ${id} already exists`, { data: { container: id } });
    }
    this.#entries.set(id, { kind: "creating" });
    let container: Container;
    try {
      container = await create();
    } catch (error) {
      this.#entries.delete(id);
      throw error;
    }
    this.#entries.set(id, { kind: "container", container });
    this.#first ??= container;
    for (const observer of this.#observers) observer(container);
  }

  /**
   * pidfd of a process in the pid namespace that the sandbox's containers share.
   * @throws KumiteError `container/wrong-state`
   */
  get sharedPidNamespace(): number {
    const holder = this.#details?.pause ?? this.#first?.first.born;
    if (holder === undefined) {
      throw new KumiteError("container/wrong-state", "there is no container whose pid namespace could be shared");
    }
    if (holder.pidfd !== undefined) return holder.pidfd;
    throw new KumiteError("container/wrong-state", "the process whose pid namespace is shared has ended");
  }

  /** Whether containers share the pid namespace of the pause process even if they do not ask for it. */
  get sharesPids(): boolean {
    return this.#details?.pause !== undefined;
  }

  /** From the sandbox's details; empty without a sandbox. */
  get hookPath(): string {
    return this.#details?.hookPath ?? "";
  }

  /**
   * Calls the observer with every container: at once with existing ones, and with others when they have been created.
   */
  observe(observer: (container: Container) => void): void {
    this.#observers.push(observer);
    for (const entry of this.#entries.values()) if (entry.kind === "container") observer(entry.container);
  }

  /** @throws KumiteError `container/not-found`; `container/wrong-state` while the container is being created */
  container(id: string): Container {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      throw new KumiteError("container/not-found", `container ${id} does not exist`, { data: { container: id } });
    }
    if (entry.kind === "creating") throw wrongState(id, "created");
    return entry.container;
  }

  /**
   * Frees the id when `remove` succeeds; otherwise the container stays.
   * @throws KumiteError as `container`
   */
  async remove(id: string, remove: (container: Container) => Promise<void>): Promise<void> {
    const container = this.container(id);
    if (this.#entries.get(id)?.kind === "removing") throw wrongState(id, "removed");
    this.#entries.set(id, { kind: "removing", container });
    try {
      await remove(container);
      this.#entries.delete(id);
    } catch (error) {
      this.#entries.set(id, { kind: "container", container });
      throw error;
    }
  }

  get containerIds(): string[] {
    return [...this.#entries.keys()];
  }
}

function wrongState(id: string, doing: string): KumiteError {
  return new KumiteError("container/wrong-state", `container ${id} is being ${doing}`, {
    data: { container: id },
  });
}
