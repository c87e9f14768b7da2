/**
 * A running `kumite-helper` and its calls. This knows the wire format; when a helper starts and ends is up to the
 * caller.
 */
import { ByteReader } from "../../util/byte-reader.ts";
import { type Deferred, deferred } from "../../util/deferred.ts";
import { isSystemError, KumiteError, SystemError } from "../../util/errors.ts";
import { signalNumbers } from "../../util/signals.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { type HelperCall, type HelperResponse, helperDescriptor, maxLineBytes } from "../helper/protocol.ts";
import type { ByteStream } from "../os.ts";
import { type Spawned, spawn } from "./spawn.ts";

export type HelperValue = null | boolean | number;

const sigkill = signalNumbers.SIGKILL;

export class HelperConnection {
  /** Resolves when the helper can serve no more calls. */
  readonly ended: Promise<void>;
  readonly #helper: Spawned;
  readonly #stream: ByteStream;
  readonly #pending = new Map<number, Deferred<HelperValue>>();
  #lastId = 0;
  #over = false;

  static async start(launcher: string): Promise<HelperConnection> {
    const helper = await spawn(launcher, {
      path: launcher,
      argv: ["kumite-helper"],
      env: {},
      descriptors: { [helperDescriptor]: { kind: "stream" } },
      parentDeathSignal: sigkill,
    }).catch((error: unknown) => {
      // As a plain SystemError, it would be mistaken for the result of the call, for example that there is no such
      // mount.
      throw isSystemError(error, "ENOENT", "ENOTDIR", "EACCES", "ENOEXEC") ? noHelper(launcher, error) : error;
    });
    return new HelperConnection(helper, helper.streams.get(helperDescriptor) as ByteStream);
  }

  private constructor(helper: Spawned, stream: ByteStream) {
    this.#helper = helper;
    this.#stream = stream;
    // It does not matter how the connection ended: no pending call can be answered any more.
    this.ended = this.#receive().then(
      () => this.#end(),
      () => this.#end(),
    );
  }

  /** Whether calls can no longer be answered. */
  get lost(): boolean {
    return this.#over;
  }

  /** Sends a call. The answer rejects with the call's `SystemError`, or with ECONNRESET if the helper ends. */
  call(call: HelperCall): { readonly id: number; readonly answer: Promise<HelperValue> } {
    this.#lastId += 1;
    const id = this.#lastId;
    return { id, answer: this.#send(id, call) };
  }

  /** Whether the helper keeps this process running. */
  keepAlive(on: boolean): void {
    this.#helper.keepAlive(on);
  }

  /** Makes the helper end and release its locks. */
  close(): void {
    this.#stream.close();
  }

  async #send(id: number, call: HelperCall): Promise<HelperValue> {
    if (this.#over) throw lostError();
    const line = encodeUtf8(`${JSON.stringify({ id, ...call })}\n`);
    if (line.length > maxLineBytes) throw new SystemError("E2BIG", call.kind);
    const answer = deferred<HelperValue>();
    this.#pending.set(id, answer);
    // A failing write means that the helper is gone, which the receiving side reports to all callers.
    this.#stream.write(line).catch(() => {});
    return await answer.promise;
  }

  async #receive(): Promise<void> {
    const reader = new ByteReader(this.#stream);
    for (
      let line = await reader.readLine(maxLineBytes);
      line !== undefined;
      line = await reader.readLine(maxLineBytes)
    ) {
      this.#answer(JSON.parse(line) as HelperResponse);
    }
  }

  #answer(response: HelperResponse): void {
    const waiting = this.#pending.get(response.id);
    this.#pending.delete(response.id);
    if (response.ok) waiting?.resolve(response.value);
    else waiting?.reject(new SystemError(response.error.errno, response.error.call, response.error.subject));
  }

  #end(): void {
    this.#over = true;
    this.#stream.close();
    for (const waiting of this.#pending.values()) waiting.reject(lostError());
    this.#pending.clear();
  }
}

function noHelper(launcher: string, cause: SystemError): KumiteError {
  return new KumiteError("install/incomplete", `${launcher} cannot be started: ${cause.message}`, {
    hint: "install Kumite again, then remove what is left with `delete --force`",
    cause,
  });
}

function lostError(): SystemError {
  return new SystemError("ECONNRESET", "kumite-helper");
}
