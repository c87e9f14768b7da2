/**
 * The sandbox: its name, what is mounted for it, and its containers. One at a time; what an operation is doing to a
 * container keeps others from it.
 */
import { unshare } from "../../sys/linux/process.ts";
import { KumiteError } from "../../util/errors.ts";
import type { BornProcess } from "../container/born-process.ts";
import type { Container } from "../container/container.ts";
import { namespaceFlag } from "../spec/namespace-flags.ts";
import type { StorageHold } from "../storage/storages.ts";

/** What an id stands for. */
type Entry =
  | { readonly kind: "creating" }
  | { readonly kind: "container"; readonly container: Container }
  | { readonly kind: "removing"; readonly container: Container };

/** Of a sandbox that exists. */
export interface SandboxDetails {
  readonly id: string;
  readonly storages: StorageHold;
  /** Directory with hooks of the guest's own; empty: there are none. */
  readonly hookPath: string;
  /** First of a pid namespace for all containers; `undefined`: that of the first container is the one they may share. */
  readonly pause: BornProcess | undefined;
}

export class Sandbox {
  readonly #entries = new Map<string, Entry>();
  readonly #observers: ((container: Container) => void)[] = [];
  #details: SandboxDetails | undefined;
  /** The agent's namespaces of names and IPC are fresh. */
  #isApart = false;
  /** The first one that was made. */
  #first: Container | undefined;

  /** @throws KumiteError `container/exists` when there is one */
  checkAbsent(): void {
    if (this.#details !== undefined)
      throw new KumiteError("container/exists", `sandbox ${this.#details.id} exists already`);
  }

  begin(details: SandboxDetails): void {
    this.checkAbsent();
    this.#details = details;
  }

  /** Spares the next sandbox what takes longest about its namespaces. */
  makeNamespaces(): void {
    unshare(namespaceFlag.uts | namespaceFlag.ipc);
    this.#isApart = true;
  }

  /** The agent is in them itself, so that all of its children are: they have nothing of its own. */
  takeNamespaces(): void {
    if (!this.#isApart) this.makeNamespaces();
    this.#isApart = false;
  }

  /** What was given to `begin`, once; `undefined` when there is no sandbox. */
  end(): SandboxDetails | undefined {
    const details = this.#details;
    this.#details = undefined;
    this.#first = undefined;
    return details;
  }

  /** Containers can be made only in a sandbox. @throws KumiteError `container/wrong-state` */
  checkRunning(): void {
    if (this.#details === undefined) throw new KumiteError("container/wrong-state", "there is no sandbox");
  }

  /** Takes the id while the container is made, and keeps it when that succeeds. @throws KumiteError `container/exists` */
  async add(id: string, create: () => Promise<Container>): Promise<void> {
    if (this.#entries.has(id)) {
      throw new KumiteError("container/exists", `container ${id} exists already`, { data: { container: id } });
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

  /** pidfd of a process in the pid namespace that its containers share. @throws KumiteError `container/wrong-state` */
  get sharedPidNamespace(): number {
    const holder = this.#details?.pause ?? this.#first?.first.born;
    if (holder === undefined) {
      throw new KumiteError("container/wrong-state", "there is no container whose pid namespace could be shared");
    }
    if (holder.pidfd !== undefined) return holder.pidfd;
    throw new KumiteError("container/wrong-state", "the process whose pid namespace is shared has ended");
  }

  /** Without being asked for it, its containers share the pid namespace of the pause process. */
  get sharesPids(): boolean {
    return this.#details?.pause !== undefined;
  }

  /** As its details have it; empty without a sandbox. */
  get hookPath(): string {
    return this.#details?.hookPath ?? "";
  }

  /** Tells of every container, of those there are at once and of others when they have been created. */
  observe(observer: (container: Container) => void): void {
    this.#observers.push(observer);
    for (const entry of this.#entries.values()) if (entry.kind === "container") observer(entry.container);
  }

  /** @throws KumiteError `container/not-found`, `container/wrong-state` while it is being made */
  container(id: string): Container {
    const entry = this.#entries.get(id);
    if (entry === undefined) {
      throw new KumiteError("container/not-found", `there is no container ${id}`, { data: { container: id } });
    }
    if (entry.kind === "creating") throw wrongState(id, "created");
    return entry.container;
  }

  /** Frees the id when `remove` succeeds; otherwise the container stays. @throws KumiteError as `container` */
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
  return new KumiteError("container/wrong-state", `container ${id} is just being ${doing}`, {
    data: { container: id },
  });
}
