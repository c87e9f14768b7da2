/**
 * A relay's connection to the shim: attaches the relay to its process and makes its calls. Knows nothing of the relay's
 * own descriptors.
 */
import { type TtrpcClient, ttrpcClient } from "../protocol/ttrpc/client.ts";
import { TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import type { RelayOptions } from "../shim-client/relay-arguments.ts";
import { type StdioStream, sayHello } from "../shim-client/stdio-hello.ts";
import type { ByteStream, Os, ProcessId, WindowSize } from "../sys/os.ts";
import type { ByteReader } from "../util/byte-reader.ts";
import { withDeadline } from "../util/deadline.ts";
import { relayOciCalls, relayTaskCalls } from "./services.ts";

/** Connecting is local, so a shim that has not accepted by then counts as dead. */
const connectTimeoutMs = 30_000;
/** For calls that do not wait for the process. */
const callTimeoutMs = 10_000;

/** One stream of the process: its output comes from `reader`, its input goes to `stream`. */
export interface ProcessStream {
  readonly stream: ByteStream;
  readonly reader: ByteReader;
}

export class Attachment {
  readonly #os: Os;
  readonly #options: RelayOptions;
  readonly #connection: TtrpcConnection;
  readonly #task: TtrpcClient<typeof relayTaskCalls>;
  readonly #oci: TtrpcClient<typeof relayOciCalls>;

  private constructor(os: Os, options: RelayOptions, connection: TtrpcConnection) {
    this.#os = os;
    this.#options = options;
    this.#connection = connection;
    this.#task = ttrpcClient(relayTaskCalls, connection);
    this.#oci = ttrpcClient(relayOciCalls, connection);
  }

  static async connect(os: Os, options: RelayOptions): Promise<Attachment> {
    return new Attachment(os, options, new TtrpcConnection(await dial(os, options.socket)));
  }

  /** Attaches this process as the relay. Resolves when the process has been created, however long that takes. */
  async attach({ pid, startTicks }: ProcessId): Promise<void> {
    await this.#oci.attachRelay({ ...this.#process(), relay: { pid, startTicks: BigInt(startTicks) } });
  }

  /** Opens one stream of the process; `attach` must have resolved before. */
  async open(which: StdioStream): Promise<ProcessStream> {
    const { socket, id, execId } = this.#options;
    const stream = await dial(this.#os, socket);
    try {
      const hello = { id, execId, stream: which };
      return {
        stream,
        reader: await withDeadline(callTimeoutMs, `opening ${which}`, (s) => sayHello(stream, hello, s)),
      };
    } catch (error) {
      stream.close();
      throw error;
    }
  }

  /** Resolves with the exit status when the process ends; rejects if the shim is lost before. */
  async wait(): Promise<number> {
    const { exitStatus } = await this.#task.wait(this.#process());
    return exitStatus;
  }

  /** Errors are ignored: the sender of the signal need not know that the process does not run yet, or any more. */
  kill(signal: number): void {
    this.#task.kill({ ...this.#process(), signal }, { timeoutMs: callTimeoutMs }).catch(ignore);
  }

  resize({ rows, columns }: WindowSize): void {
    const size = { width: columns, height: rows };
    this.#task.resizePty({ ...this.#process(), ...size }, { timeoutMs: callTimeoutMs }).catch(ignore);
  }

  close(): void {
    this.#connection.close();
  }

  #process(): { id: string; execId: string } {
    return { id: this.#options.id, execId: this.#options.execId ?? "" };
  }
}

function dial(os: Os, socket: string): Promise<ByteStream> {
  return withDeadline(connectTimeoutMs, `connecting to ${socket}`, (signal) => os.sockets.connect(socket, signal));
}

function ignore(): void {}
