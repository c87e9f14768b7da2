/**
 * The agent's end of a process's standard output or error: a pipe, or the master of a terminal. It is at its end when
 * all writers have closed it, or when the process has ended and its output has been read. A daemon that the process
 * left behind may keep the descriptor open, but nobody waits for that.
 */
import { type Channel, ownChannel } from "../../sys/engine/channel.ts";
import { Watch } from "../../sys/engine/loop.ts";
import { EAGAIN, EINTR, EIO, failure } from "../../sys/linux/check.ts";
import { EPOLLIN } from "../../sys/linux/epoll.ts";
import { movePiped } from "../../sys/linux/pipe.ts";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { deferred } from "../../util/deferred.ts";

interface PendingRead {
  /** Reads some of the bytes; returns a native result. */
  take(): number;
  resolve(count: number): void;
  reject(reason: unknown): void;
}

export class Output {
  /** Resolves when the output has ended or been closed, so that nothing more can be read. */
  readonly ended: Promise<void>;
  readonly #ended = deferred();
  readonly #channel: Channel;
  readonly #watch: Watch;
  #reading: PendingRead | undefined;
  #processEnded = false;
  #closed = false;

  /** Takes ownership of the descriptor, which nobody else reads. */
  constructor(fd: number) {
    this.ended = this.#ended.promise;
    this.#channel = ownChannel(fd);
    this.#watch = new Watch(fd, () => this.#onReadable());
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether this is a pipe, so that `move` works. */
  get movable(): boolean {
    return !this.#channel.isMaster;
  }

  /**
   * Resolves with the number of bytes read into the buffer, 0 at the end. Only one read at a time; an aborted read
   * loses no bytes.
   */
  read(buffer: Uint8Array, signal?: AbortSignal): Promise<number> {
    return this.#get(() => this.#channel.read(buffer), signal);
  }

  /** Like `read`, but moves up to `length` bytes into a pipe, which must be empty. Nothing is copied. */
  move(pipe: number, length: number, signal?: AbortSignal): Promise<number> {
    return this.#get(() => movePiped(this.#channel.fd, pipe, length), signal);
  }

  #get(take: () => number, signal: AbortSignal | undefined): Promise<number> {
    if (this.#closed) return Promise.resolve(0);
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      if (this.#reading !== undefined) throw new Error("an output has one read at a time");
      const forget = onAbort(signal, () => {
        this.#reading = undefined;
        reject(abortError(signal as AbortSignal));
      });
      this.#reading = {
        take,
        resolve: (count) => {
          forget();
          resolve(count);
        },
        reject: (reason) => {
          forget();
          reject(reason);
        },
      };
      // Waits for the event loop even if there are bytes already, so that a busy process does not starve the others.
      // After the process's end there may be no more events.
      if (this.#processEnded) this.#onReadable();
      else this.#watch.set(EPOLLIN);
    });
  }

  /** The process has ended: from now on an empty pipe means the end. */
  processEnded(): void {
    this.#processEnded = true;
    if (this.#reading !== undefined) this.#onReadable();
  }

  /** A process that still writes gets EPIPE. A pending read ends. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    this.#channel.close();
    this.#take()?.resolve(0);
    this.#ended.resolve();
  }

  #onReadable(): void {
    if (this.#reading === undefined) {
      this.#watch.set(0);
      return;
    }
    const count = this.#reading.take();
    if (count === EINTR || (count === EAGAIN && !this.#processEnded)) return;
    const reading = this.#take();
    if (count > 0) reading?.resolve(count);
    // Reading a terminal's master fails with EIO when no process has the other side open.
    else if (count === 0 || count === EAGAIN || count === EIO) this.#finish(reading);
    else reading?.reject(failure(count, "read", "output of a process"));
  }

  #finish(reading: PendingRead | undefined): void {
    this.close();
    reading?.resolve(0);
  }

  #take(): PendingRead | undefined {
    const reading = this.#reading;
    this.#reading = undefined;
    return reading;
  }
}
