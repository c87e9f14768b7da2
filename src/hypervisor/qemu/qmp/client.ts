/**
 * The client of the QEMU Machine Protocol (QMP) on a connected stream. Commands may overlap; answers are matched by id.
 * Knows the protocol's framing, not the meaning of commands.
 */
import type { ByteStream, OpenedDescriptor, Sockets } from "../../../sys/os.ts";
import { ByteReader } from "../../../util/byte-reader.ts";
import { withDeadline } from "../../../util/deadline.ts";
import { type Deferred, deferred } from "../../../util/deferred.ts";
import { KumiteError, messageOf } from "../../../util/errors.ts";
import { isRecord } from "../../../util/json.ts";
import { encodeUtf8, oneLine } from "../../../util/text.ts";
import { eventOf, type QmpCommand, type QmpCommands, type QmpEvent, resultOf } from "./commands.ts";
import { commandText, type FirstCommand } from "./first-commands.ts";

/** No expected answer comes near this size. */
const maxMessageBytes = 1024 * 1024;
const defaultTimeoutMs = 10_000;

export interface QmpOptions {
  /** Called in the order of arrival; must not throw. */
  readonly onEvent?: (event: QmpEvent) => void;
  /** One line per message. */
  readonly log?: (message: string, fields: Record<string, unknown>) => void;
}

export interface CallOptions {
  /** Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Expected {
  readonly id: number;
  readonly answer: Deferred<unknown>;
}

export class QmpClient {
  /**
   * Resolves with the reason when no more answers can arrive: QEMU closed the connection or broke the protocol, or
   * `close` was called.
   */
  readonly closed: Promise<string>;
  readonly #stream: ByteStream;
  readonly #options: QmpOptions;
  readonly #pending = new Map<number, Deferred<unknown>>();
  /** Resolves when the last command has been sent. */
  #sent: Promise<void> = Promise.resolve();
  /** The same while a descriptor is being sent. */
  #handing: Promise<void> | undefined;
  #lastId = 0;
  #reason: string | undefined;

  /**
   * Resolves when QEMU has executed the commands that were written to this stream before.
   * @param said exactly those commands
   */
  static async connect(
    stream: ByteStream,
    said: readonly FirstCommand[],
    options: QmpOptions,
    call: CallOptions = {},
  ): Promise<QmpClient> {
    const client = new QmpClient(stream, options);
    try {
      await Promise.all(said.map(({ execute }) => client.#answered(execute, client.#expect(execute), call)));
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  private constructor(stream: ByteStream, options: QmpOptions) {
    this.#stream = stream;
    this.#options = options;
    this.closed = this.#receive().then((reason) => this.#end(reason));
  }

  /** @throws KumiteError `hypervisor/protocol` if QEMU refuses or the connection ends, `timeout`, `aborted` */
  async execute<C extends QmpCommand>(
    command: C,
    parameters: QmpCommands[C]["arguments"],
    options: CallOptions = {},
  ): Promise<QmpCommands[C]["result"]> {
    return this.#call(command, parameters, options);
  }

  /** As `execute`, and passes a descriptor with the command. Also throws SystemError. */
  async executeWith<C extends QmpCommand>(
    sockets: Sockets,
    descriptor: OpenedDescriptor,
    command: C,
    parameters: QmpCommands[C]["arguments"],
    options: CallOptions = {},
  ): Promise<QmpCommands[C]["result"]> {
    const send = (text: string) => sockets.sendDescriptor(this.#stream, text, descriptor);
    return this.#call(command, parameters, options, send);
  }

  async #call<C extends QmpCommand>(
    command: C,
    parameters: QmpCommands[C]["arguments"],
    options: CallOptions,
    send?: (text: string) => Promise<void>,
  ): Promise<QmpCommands[C]["result"]> {
    if (this.#reason !== undefined) throw lost(command, this.#reason);
    const expected = this.#expect(command);
    const text = commandText({ execute: command, arguments: parameters, id: expected.id });
    const sent = this.#send(send === undefined ? undefined : () => send(text), text);
    const before = send === undefined ? undefined : sent;
    return this.#answered(command, expected, options, before);
  }

  /** Registers the next command. */
  #expect(command: QmpCommand): Expected {
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = deferred<unknown>();
    this.#pending.set(id, answer);
    this.#options.log?.(`qmp ${command}`, { id });
    return { id, answer };
  }

  async #answered<C extends QmpCommand>(
    command: C,
    { id, answer }: Expected,
    { timeoutMs = defaultTimeoutMs, signal }: CallOptions,
    sent?: Promise<void>,
  ): Promise<QmpCommands[C]["result"]> {
    try {
      await sent;
      return resultOf[command](await withDeadline(timeoutMs, `qmp ${command}`, () => answer.promise, signal));
    } finally {
      this.#pending.delete(id);
    }
  }

  close(): void {
    this.#stream.close();
  }

  /** Serialises ordinary writes and those that pass a descriptor. */
  #send(otherwise: (() => Promise<void>) | undefined, text: string): Promise<void> {
    const write = (): Promise<void> => this.#stream.write(encodeUtf8(text));
    const before = this.#handing;
    const sending = otherwise === undefined && before === undefined ? write() : this.#sent.then(otherwise ?? write);
    // A failed write means that QEMU is gone, which `#receive` reports to every caller.
    const settled = sending.catch(() => {});
    this.#sent = settled;
    if (otherwise !== undefined || before !== undefined) {
      this.#handing = settled;
      void settled.then(() => {
        if (this.#handing === settled) this.#handing = undefined;
      });
    }
    return sending;
  }

  /** Resolves with the reason for the end. */
  async #receive(): Promise<string> {
    const reader = new ByteReader(this.#stream);
    try {
      for (;;) {
        const line = await reader.readLine(maxMessageBytes);
        if (line === undefined) return "qemu closed the monitor connection";
        this.#take(JSON.parse(line));
      }
    } catch (error) {
      this.#stream.close();
      return oneLine(messageOf(error));
    }
  }

  #take(message: unknown): void {
    if (!isRecord(message)) throw new KumiteError("hypervisor/protocol", "qemu sent a message that is not an object");
    // The greeting contains nothing that is needed.
    if (typeof message.event === "string") this.#event(message.event, message.data);
    else if ("return" in message || "error" in message) this.#answer(message);
  }

  #event(name: string, data: unknown): void {
    this.#options.log?.(`qmp event ${oneLine(name)}`, {});
    this.#options.onEvent?.(eventOf(name, data));
  }

  #answer(message: Record<string, unknown>): void {
    const { id, error } = message;
    const waiting = typeof id === "number" ? this.#pending.get(id) : undefined;
    // The answer to a call that timed out, or an answer to nothing.
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve(message.return);
    else waiting.reject(refused(error));
  }

  #end(reason: string): string {
    this.#reason = reason;
    for (const waiting of this.#pending.values()) waiting.reject(lost("the command", reason));
    this.#pending.clear();
    return reason;
  }
}

function lost(what: string, reason: string): KumiteError {
  return new KumiteError("hypervisor/protocol", `qemu cannot answer ${what}: ${reason}`);
}

function refused(error: unknown): KumiteError {
  const { desc, class: errorClass } = isRecord(error) ? error : {};
  const reason = typeof desc === "string" ? oneLine(desc) : "it gave no reason";
  return new KumiteError("hypervisor/protocol", `qemu refused the command: ${reason}`, {
    data: typeof errorClass === "string" ? { class: oneLine(errorClass) } : {},
  });
}
