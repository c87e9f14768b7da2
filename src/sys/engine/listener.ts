/** Accepts connections on a listening socket, one at a time and on request. */
import { accept4 } from "kumite:native";
import { EAGAIN, EINTR, failure } from "../linux/check.ts";
import { EPOLLIN } from "../linux/epoll.ts";
import { closeQuietly, setStatusFlags, statusFlags } from "../linux/file.ts";
import { O_NONBLOCK } from "../linux/open-flags.ts";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "../linux/socket.ts";
import type { ByteStream } from "../os.ts";
import { Watch } from "./loop.ts";
import { ownStream } from "./stream.ts";

/** The peer closed the connection before it was accepted. */
const ECONNABORTED = -103;

export interface Acceptor extends AsyncIterable<ByteStream> {
  /** The next connection; `undefined` once closed. Only one call at a time. */
  next(): Promise<ByteStream | undefined>;
  /**
   * Closes the listening socket; a pending `next` resolves with `undefined`. Accepted connections stay open.
   * Idempotent.
   */
  close(): void;
}

/** Takes ownership of a listening socket of any family. */
export function acceptor(fd: number): Acceptor {
  return new SocketAcceptor(fd);
}

interface Waiting {
  resolve(stream: ByteStream | undefined): void;
  reject(reason: unknown): void;
}

class SocketAcceptor implements Acceptor {
  readonly #fd: number;
  readonly #watch: Watch;
  #waiting: Waiting | undefined;
  #closed = false;

  constructor(fd: number) {
    this.#fd = fd;
    setStatusFlags(fd, statusFlags(fd) | O_NONBLOCK);
    this.#watch = new Watch(fd, () => this.#onReadable());
  }

  async next(): Promise<ByteStream | undefined> {
    if (this.#closed) return undefined;
    if (this.#waiting !== undefined) throw new Error("a listener has one accept at a time");
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#watch.set(EPOLLIN);
    });
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ByteStream, void, undefined> {
    for (let stream = await this.next(); stream !== undefined; stream = await this.next()) yield stream;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    closeQuietly(this.#fd);
    this.#take()?.resolve(undefined);
  }

  #onReadable(): void {
    if (this.#waiting === undefined) {
      this.#watch.set(0);
      return;
    }
    const fd = accept4(this.#fd, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd === EAGAIN || fd === EINTR || fd === ECONNABORTED) return;
    const waiting = this.#take();
    if (fd < 0) waiting?.reject(failure(fd, "accept"));
    else waiting?.resolve(ownStream(fd));
  }

  #take(): Waiting | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }
}
