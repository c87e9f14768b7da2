/** A call while the server works on it: the context of its handler, and what ends it. */
import { linked, onAbort } from "../../util/abort.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { KumiteError } from "../../util/errors.ts";
import { oneLine } from "../../util/text.ts";
import { timerMs } from "../../util/timer.ts";
import type { Request } from "../gen/ttrpc/envelope.ts";
import type { CallContext, ClientConnection } from "./call-context.ts";

export class ServerCall implements CallContext {
  readonly connection: ClientConnection;
  readonly #scope: ReturnType<typeof linked>;
  #metadata: ReadonlyMap<string, string> = noMetadata;
  #timer: unknown;
  #forget: (() => void) | undefined;
  #isOver = false;
  #isAnswered = false;
  #answered: Deferred | undefined;

  constructor(connection: ClientConnection) {
    this.connection = connection;
    this.#scope = linked(connection.signal);
  }

  get signal(): AbortSignal {
    return this.#scope.signal;
  }

  get metadata(): ReadonlyMap<string, string> {
    return this.#metadata;
  }

  /** Created on demand, since hardly any handler uses it. */
  get answered(): Promise<void> {
    this.#answered ??= deferred();
    if (this.#isAnswered) this.#answered.resolve();
    return this.#answered.promise;
  }

  /** Whether the answer has been decided. */
  get isOver(): boolean {
    return this.#isOver;
  }

  onAbort(callback: () => void): void {
    this.#forget = onAbort(this.signal, callback);
  }

  /** @param name as sent by the peer */
  begin(name: string, timeoutMs: number, metadata: Request["metadata"]): void {
    if (metadata.length > 0) this.#metadata = new Map(metadata.map(({ key, value }) => [key, value]));
    if (timeoutMs > 0 && !this.#isOver) {
      this.#timer = setTimeout(() => this.#scope.abort(timedOut(oneLine(name), timeoutMs)), timerMs(timeoutMs));
    }
  }

  end(): void {
    this.#isOver = true;
    clearTimeout(this.#timer as never);
    this.#forget?.();
    this.#scope.unlink();
  }

  markAnswered(): void {
    this.#isAnswered = true;
    this.#answered?.resolve();
  }
}

const noMetadata: ReadonlyMap<string, string> = new Map();

function timedOut(name: string, timeoutMs: number): KumiteError {
  return new KumiteError("timeout", `${name}: not done within ${timeoutMs} ms`, { data: { timeoutMs } });
}
