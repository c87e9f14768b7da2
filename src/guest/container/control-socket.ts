/** The agent's end of the socket to a process that is being set up. Messages are received one at a time, on request. */
import { Watch } from "../../sys/engine/loop.ts";
import { EPOLLIN } from "../../sys/linux/epoll.ts";
import { closeQuietly, write } from "../../sys/linux/file.ts";
import { type Message, MSG_DONTWAIT, recvmsg } from "../../sys/linux/socket.ts";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { type ChildMessage, decodeChildMessage, maxMessageBytes } from "../child/message.ts";

export interface Received {
  readonly message: ChildMessage;
  /** The caller closes them. */
  readonly descriptors: readonly number[];
}

export class ControlSocket {
  readonly #fd: number;
  readonly #watch: Watch;
  #onReadable: (() => void) | undefined;
  #closed = false;

  constructor(fd: number) {
    this.#fd = fd;
    this.#watch = new Watch(fd, () => this.#onReadable?.());
  }

  /** The next message; `undefined` when the process has executed its program or has ended. */
  async next(signal: AbortSignal): Promise<Received | undefined> {
    await this.#readable(signal);
    return this.#receive();
  }

  /** Lets the process go on. If the process has ended, the next call of `next` shows it. */
  release(): void {
    this.send(new Uint8Array(1));
  }

  /** One message. If the process has ended, the next call of `next` shows it. */
  send(bytes: Uint8Array): void {
    try {
      write(this.#fd, bytes);
    } catch (error) {
      if (!isSystemError(error, "EPIPE", "ECONNRESET")) throw error;
    }
  }

  /** A process that still waits at the socket exits then. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeQuietly(this.#fd);
  }

  #readable(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      const finish = (settle: () => void): void => {
        this.#onReadable = undefined;
        this.#watch.set(0);
        forget();
        settle();
      };
      const forget = onAbort(signal, () => finish(() => reject(abortError(signal))));
      this.#onReadable = () => finish(resolve);
      this.#watch.set(EPOLLIN);
    });
  }

  #receive(): Received | undefined {
    const buffer = new Uint8Array(maxMessageBytes);
    const { length, descriptors } = this.#take(buffer);
    if (length === 0) return undefined;
    const message = decodeChildMessage(buffer.subarray(0, length));
    if (message !== undefined) return { message, descriptors };
    for (const fd of descriptors) closeQuietly(fd);
    throw new KumiteError("agent/failed", "a new process sent an invalid message");
  }

  #take(buffer: Uint8Array): Message {
    try {
      return recvmsg(this.#fd, buffer, MSG_DONTWAIT);
    } catch (error) {
      // The process ended without reading the byte that lets it go on.
      if (isSystemError(error, "ECONNRESET")) return { length: 0, descriptors: [], truncated: false };
      throw error;
    }
  }
}
