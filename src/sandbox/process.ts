/**
 * One process of a container as the host follows it: the container's own or one that `exec` added. Knows its state, its
 * streams and its relay; what is done to it is in the files of the operations.
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
  /** 0 to 255; 128 + n after signal n. */
  readonly exitStatus: number;
  /** Milliseconds since 1970. */
  readonly exitedMs: number;
}

export type ProcessState =
  /** Known here, not in the guest yet. */
  | { readonly phase: "creating" }
  | { readonly phase: "created" }
  /** Asked of the guest, which has not answered. */
  | { readonly phase: "starting" }
  | { readonly phase: "running"; readonly startedMs: number }
  /** With its container; only the container's own process says so. */
  | { readonly phase: "paused"; readonly startedMs: number }
  | ({ readonly phase: "stopped" } & Exit);

/** Asked of the guest is not yet done. */
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
  /** Its relay on the host: the process that engines see and wait for. */
  readonly relay: ProcessId;
  /** What `exec` runs; the container's own process is in its specification. */
  readonly spec?: OciProcess;
  /** Of an exec, below the container's own. */
  readonly cgroup?: string | undefined;
}

export class SandboxProcess {
  readonly key: ProcessKey;
  readonly terminal: boolean;
  readonly relay: ProcessId;
  readonly spec: OciProcess | undefined;
  readonly cgroup: string | undefined;
  readonly stdio: ProcessStdio;
  /** Resolves once, when the end is known and the output is through. */
  readonly exited: Promise<Exit>;
  /** Of its streams in the guest; set when it is made there. */
  ports: StreamPorts | undefined;
  /** What a terminal gets when it exists. */
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

  /** Resolves when the relay is there. */
  get attached(): Promise<void> {
    return this.#attached.promise;
  }

  /** It had a relay, which is gone. */
  get relayLost(): boolean {
    return this.#relayConnection?.aborted ?? false;
  }

  /** "container web" or "process 12 of container web". */
  get title(): string {
    return titleOf(this.key);
  }

  /** After the end it stays at that. */
  moveTo(state: Exclude<ProcessState, { phase: "stopped" }>): void {
    if (this.#state.phase === "stopped") return;
    const [from, to] = [lifeOf(this.#state), lifeOf(state)];
    if (!canMove(from, to)) throw new KumiteError("internal", `${this.title}: Can not move from ${from} to ${to}`);
    this.#state = state;
  }

  /** The first end counts. Who waits is not told before `announce`. */
  stop(exit: Exit): void {
    if (this.#state.phase !== "stopped") this.#state = { phase: "stopped", ...exit };
  }

  /** Tells everyone who waits of the end. */
  announce(): void {
    if (this.#state.phase !== "stopped") throw new Error(`${this.title} has not ended`);
    const { exitStatus, exitedMs } = this.#state;
    this.#exit.resolve({ exitStatus, exitedMs });
  }

  /**
   * Makes a connection the relay's.
   * @param lost called once when the connection ends, whatever the process is doing then
   * @throws KumiteError `process/exists` when it has a relay, `protocol/violation` when it is not the announced one
   */
  attachRelay(relay: ProcessId, connection: AbortSignal, lost: () => void): void {
    if (this.#relayConnection !== undefined) {
      throw new KumiteError("process/exists", `${this.title} has a relay already`, { phase: "relay.attach" });
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
