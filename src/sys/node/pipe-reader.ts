/**
 * The reading end of a FIFO that this process has opened for itself. Node waits for the kernel to report an event. If
 * the last writer closed the FIFO before this process opened it, there is never an event, not even for the end. So the
 * first reads are tried immediately, and Node waits only when there is a writer.
 */
import { closeSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { throwIfAborted } from "../../util/abort.ts";
import { SocketStream } from "./socket-stream.ts";
import { errnoOf, toSystemError } from "./system-error.ts";

const readStepBytes = 64 * 1024;

type State =
  | { readonly kind: "trying"; readonly fd: number }
  | { readonly kind: "waiting"; readonly stream: SocketStream }
  | { readonly kind: "closed" };

export class PipeReader {
  #state: State;

  /** Takes ownership of the descriptor, which must be nonblocking. */
  constructor(fd: number) {
    this.#state = { kind: "trying", fd };
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    throwIfAborted(signal);
    if (this.#state.kind === "trying") {
      const { fd } = this.#state;
      const bytes = tryRead(fd);
      if (bytes !== "later") return bytes;
      this.#state = { kind: "waiting", stream: new SocketStream(new Socket({ fd, writable: false })) };
    }
    return this.#state.kind === "waiting" ? await this.#state.stream.read(signal) : undefined;
  }

  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    if (state.kind === "trying") closeSync(state.fd);
    if (state.kind === "waiting") state.stream.close();
  }
}

function tryRead(fd: number): Uint8Array | undefined | "later" {
  const part = new Uint8Array(readStepBytes);
  try {
    const length = readSync(fd, part, 0, part.length, null);
    return length === 0 ? undefined : part.subarray(0, length);
  } catch (error) {
    if (errnoOf(error) === "EAGAIN") return "later";
    throw toSystemError(error, "read");
  }
}
