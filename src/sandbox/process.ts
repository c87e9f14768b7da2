/**
 * A process of a container as the host tracks it: the container's own process or one from `exec`. Holds its state, its
 * streams and its relay. The operations on it have their own files.
 */
import type { OciProcess } from "../oci/spec.ts";
import type { ProcessId } from "../sys/os.ts";
import { onAbort } from "../util/abort.ts";
import { deferred } from "../util/deferred.ts";
import { KumiteError } from "../util/errors.ts";
import type { StreamPorts } from "./guest-streams.ts";
import { canMove, type LifeState } from "./state.ts";
import { ProcessStdio } from "./stdio.ts";

export interface ProcessKey {
  readonly containerId: string;
  /** `undefined` for the container's own process. */
  readonly execId: string | undefined;
}

export interface Exit {
  /** 0 to 255; 128 + n if signal n ended the process. */
  readonly exitStatus: number;
  /** Milliseconds since 1970. */
  readonly exitedMs: number;
}

export type ProcessState =
  /** Known on the host, but not yet in the guest. */
  | { readonly phase: "creating" }
  | { readonly phase: "created" }
  /** Requested from the guest, which has not answered yet. */
  | { readonly phase: "starting" }
  | { readonly phase: "running"; readonly startedMs: number }
  /** Paused with its container. Only the container's own process has this phase. */
  | { readonly phase: "paused"; readonly startedMs: number }
  | ({ readonly phase: "stopped" } & Exit);

/** A start that is requested has not happened yet. */
export function lifeOf({ phase }: ProcessState): LifeState {
  switch (phase) {
    case "creating":
      return "none";
    case "created":
    case "starting":
      return "ready";
    case "running":
    case "paused":
    case "stopped":
      return phase;
  }
}

export interface ConsoleSize {
  readonly rows: number;
  readonly columns: number;
}

export interface ProcessOptions {
  readonly key: ProcessKey;
  readonly terminal: boolean;
  readonly consoleSize?: ConsoleSize | undefined;
  /** The relay on the host: the process that engines see and wait for. */
  readonly relay: ProcessId;
  /** The process to run for `exec`. The container's own process is in its specification. */
  readonly spec?: OciProcess;
  /** For `exec`: path below the container's own cgroup. */
  readonly cgroup?: string | undefined;
}

export class SandboxProcess {
  readonly key: ProcessKey;
  readonly terminal: boolean;
  readonly relay: ProcessId;
  readonly spec: OciProcess | undefined;
  readonly cgroup: string | undefined;
  readonly stdio: ProcessStdio;
  /** Resolves once, when the end is known and all output has been delivered. */
  readonly exited: Promise<Exit>;
  /** The ports of its streams in the guest; set when the process is created there. */
  ports: StreamPorts | undefined;
  /** The size that the terminal gets once it exists. */
  consoleSize: ConsoleSize | undefined;
  #state: ProcessState = { phase: "creating" };
  readonly #exit = deferred<Exit>();
  readonly #attached = deferred();
  #relayConnection: AbortSignal | undefined;

  constructor({ key, terminal, consoleSize, relay, spec, cgroup }: ProcessOptions) {
    this.key = key;
    this.terminal = terminal;
    this.consoleSize = consoleSize;
    this.relay = relay;
    this.spec = spec;
    this.cgroup = cgroup;
    this.stdio = new ProcessStdio(terminal);
    this.exited = this.#exit.promise;
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Resolves when the relay is attached. */
  get attached(): Promise<void> {
    return this.#attached.promise;
  }

  /** The process had a relay, and that relay is gone. */
  get relayLost(): boolean {
    return this.#relayConnection?.aborted ?? false;
  }

  /** "container web" or "process 12 of container web". */
  get title(): string {
    return titleOf(this.key);
  }

  /** Does nothing once the process has stopped. */
  moveTo(state: Exclude<ProcessState, { phase: "stopped" }>): void {
    if (this.#state.phase === "stopped") return;
    const [from, to] = [lifeOf(this.#state), lifeOf(state)];
    if (!canMove(from, to)) throw new KumiteError("internal", `${this.title}: Can not move from ${from} to ${to}`);
    this.#state = state;
  }

  /** Only the first end counts. Waiters are not told before `announce`. */
  stop(exit: Exit): void {
    if (this.#state.phase !== "stopped") this.#state = { phase: "stopped", ...exit };
  }

  /** Tells the end to everyone who waits for it. */
  announce(): void {
    if (this.#state.phase !== "stopped") throw new Error(`${this.title} has not ended`);
    const { exitStatus, exitedMs } = this.#state;
    this.#exit.resolve({ exitStatus, exitedMs });
  }

  /**
   * Makes this connection the relay's.
   *
   * @param lost called once when the connection ends, whatever state the process is in
   * @throws KumiteError `process/exists` if the process has a relay, `protocol/violation` if this is not the announced
   *   one
   */
  attachRelay(relay: ProcessId, connection: AbortSignal, lost: () => void): void {
    if (this.#relayConnection !== undefined) {
      throw new KumiteError("process/exists", `${this.title} already has a relay`, { phase: "relay.attach" });
    }
    if (relay.pid !== this.relay.pid || relay.startTicks !== this.relay.startTicks) {
      throw new KumiteError("protocol/violation", `process ${relay.pid} is not the relay of ${this.title}`, {
        phase: "relay.attach",
        data: { pid: relay.pid, expected: this.relay.pid },
      });
    }
    this.#relayConnection = connection;
    this.#attached.resolve();
    onAbort(connection, lost);
  }
}

export function titleOf({ containerId, execId }: ProcessKey): string {
  return execId === undefined ? `container ${containerId}` : `process ${execId} of container ${containerId}`;
}
