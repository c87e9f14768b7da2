/** `ByteStream` over a channel. This decides when to read and write, the channel does it. */
import { abortError, onAbort } from "../../util/abort.ts";
import { SystemError } from "../../util/errors.ts";
import { EAGAIN, EINTR, EINVAL, EIO, failure } from "../linux/check.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "../linux/epoll.ts";
import type { ByteStream, PipedBytes, PipedWriting } from "../os.ts";
import { type Channel, ownChannel, sharedChannel } from "./channel.ts";
import { Watch } from "./loop.ts";

/** A stream over a descriptor that no other process has; closing the stream closes it. */
export function ownStream(fd: number): ByteStream {
  return new ChannelStream(ownChannel(fd));
}

/** The descriptor of a stream of this file, which the stream keeps owning. */
export function descriptorOf(stream: ByteStream): number {
  if (stream instanceof ChannelStream) return stream.descriptor;
  throw new SystemError("EBADF", "sendmsg");
}

/** A stream over any descriptor; never sets O_NONBLOCK. Closing the stream closes the descriptor. */
export function sharedStream(fd: number): ByteStream {
  return new ChannelStream(sharedChannel(fd));
}

/** Size of a read. A result of less than a quarter of it is copied, so that it does not keep the whole buffer alive. */
const readSize = 65536;
const copyBelow = readSize / 4;

/** One buffer serves all streams; it is replaced only when it is handed out. */
let buffer = new Uint8Array(readSize);

function takeFromBuffer(count: number): Uint8Array {
  if (count < copyBelow) return buffer.slice(0, count);
  const taken = buffer.subarray(0, count);
  buffer = new Uint8Array(readSize);
  return taken;
}

interface PendingRead {
  resolve(bytes: Uint8Array | undefined): void;
  reject(reason: unknown): void;
  forget(): void;
}

interface PendingWrite {
  readonly parts: readonly Uint8Array[];
  /** Written after the parts. */
  readonly piped?: PipedBytes;
  resolve(): void;
  reject(reason: unknown): void;
}

class ChannelStream implements ByteStream {
  readonly piped?: PipedWriting;
  readonly #channel: Channel;
  readonly #watch: Watch;
  #reading: PendingRead | undefined;
  /** No more bytes will come: at the end of the stream, or closed. */
  #ended = false;
  readonly #writing: PendingWrite[] = [];
  /** Progress of the first pending write: the number of parts written, and the bytes written of the next part. */
  #partsDone = 0;
  #offset = 0;
  /** The number of piped bytes written. */
  #moved = 0;
  /**
   * Creates the error that says why writing is over. A function, since an error is too expensive to create unless it is
   * needed.
   */
  #writeEnd: (() => SystemError) | undefined;
  #closed = false;

  constructor(channel: Channel) {
    this.#channel = channel;
    this.#watch = new Watch(channel.fd, (events) => this.#onEvents(events));
    if (channel.moveFrom === undefined) return;
    this.piped = {
      // What the kernel does not take at once, it takes later.
      room: async () => Number.POSITIVE_INFINITY,
      write: (bytes, head) => this.#writePiped(bytes, head),
    };
  }

  get descriptor(): number {
    return this.#channel.fd;
  }

  read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (signal?.aborted) return Promise.reject(abortError(signal));
    if (this.#ended) return Promise.resolve(undefined);
    if (this.#reading !== undefined) return Promise.reject(new Error("a stream has one read at a time"));
    // Waits for the event loop even if bytes are available: a busy stream must not starve the others.
    return new Promise((resolve, reject) => {
      if (this.#channel.mode === "always") {
        resolve(this.#readNow());
        return;
      }
      const forget = onAbort(signal, () => {
        this.#reading = undefined;
        reject(abortError(signal as AbortSignal));
      });
      this.#reading = { resolve, reject, forget };
      this.#watch.set(this.#watch.events | EPOLLIN);
    });
  }

  write(bytes: Uint8Array): Promise<void> {
    return this.writeAll([bytes]);
  }

  writeAll(parts: readonly Uint8Array[]): Promise<void> {
    const filled = parts.filter((part) => part.length > 0);
    return filled.length === 0 ? done : this.#queue({ parts: filled });
  }

  #writePiped(piped: PipedBytes, head: Uint8Array | undefined): Promise<void> {
    return this.#queue({ parts: head === undefined ? [] : [head], piped });
  }

  #queue(write: Pick<PendingWrite, "parts" | "piped">): Promise<void> {
    if (this.#writeEnd !== undefined) return Promise.reject(this.#writeEnd());
    return new Promise((resolve, reject) => {
      this.#writing.push({ ...write, resolve, reject });
      if (this.#writing.length > 1) return;
      if (this.#channel.mode === "ready") this.#watch.set(this.#watch.events | EPOLLOUT);
      else this.#flush();
    });
  }

  async end(): Promise<void> {
    if (this.#writeEnd !== undefined) return;
    // Waits for queued writes by queueing an empty one, which never reaches the kernel.
    if (this.#writing.length > 0)
      await new Promise<void>((resolve, reject) => this.#writing.push({ parts: [], resolve, reject }));
    if (this.#writeEnd !== undefined) return;
    this.#writeEnd = brokenPipe;
    if (this.#channel.writeOnly) this.close();
    else this.#channel.endWriting();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#ended = true;
    this.#watch.close();
    this.#channel.close();
    this.#finishRead((reading) => reading.resolve(undefined));
    this.#failWrites(brokenPipe);
  }

  #onEvents(events: number): void {
    const gone = (events & (EPOLLHUP | EPOLLERR)) !== 0;
    if (gone || (events & EPOLLIN) !== 0) this.#onReadable();
    if (!this.#closed && (gone || (events & EPOLLOUT) !== 0)) this.#onWritable(gone);
  }

  /**
   * Interest in reading stays after a read, because the next read usually comes before the next event. An event without
   * a pending read ends the interest.
   */
  #onReadable(): void {
    if (this.#reading === undefined) {
      this.#watch.set(this.#watch.events & ~EPOLLIN);
      return;
    }
    const result = this.#channel.read(buffer);
    if (result === EAGAIN || result === EINTR) return;
    this.#finishRead((reading) => {
      try {
        reading.resolve(this.#taken(result));
      } catch (error) {
        reading.reject(error);
      }
    });
  }

  #readNow(): Uint8Array | undefined {
    return this.#taken(this.#channel.read(buffer));
  }

  #taken(result: number): Uint8Array | undefined {
    if (result > 0) return takeFromBuffer(result);
    if (result !== 0 && !(result === EIO && this.#channel.isMaster)) throw failure(result, "read");
    this.#ended = true;
    if (!this.#closed) this.#watch.set(this.#watch.events & ~EPOLLIN);
    return undefined;
  }

  #finishRead(finish: (reading: PendingRead) => void): void {
    const reading = this.#reading;
    this.#reading = undefined;
    reading?.forget();
    if (reading !== undefined) finish(reading);
  }

  #onWritable(gone: boolean): void {
    if (this.#writing.length === 0) {
      this.#watch.set(this.#watch.events & ~EPOLLOUT);
      return;
    }
    this.#flush();
    // A terminal whose other side is closed takes no more bytes, and would report that all the time.
    if (gone && this.#writing.length > 0) this.#failWrites(() => new SystemError("EIO", "write"));
  }

  /** Writes what the kernel takes now, and waits for an event to write more. */
  #flush(): void {
    let calls = 0;
    for (let first = this.#writing[0]; first !== undefined; first = this.#writing[0]) {
      if (this.#partsDone === first.parts.length && this.#moved === (first.piped?.length ?? 0)) {
        this.#writing.shift();
        this.#partsDone = 0;
        this.#moved = 0;
        first.resolve();
        continue;
      }
      // Being ready is good for one call only.
      const result = this.#channel.mode === "ready" && calls++ > 0 ? EAGAIN : this.#writeSome(first);
      if (result === EAGAIN || result === EINTR) {
        this.#watch.set(this.#watch.events | EPOLLOUT);
        return;
      }
      if (result < 0) {
        this.#failWrites(() => failure(result, "write"));
        return;
      }
      if (this.#partsDone === first.parts.length) this.#moved += result;
      else this.#advance(first.parts, result);
    }
    this.#watch.set(this.#watch.events & ~EPOLLOUT);
  }

  #writeSome({ parts, piped }: PendingWrite): number {
    if (piped !== undefined && this.#partsDone === parts.length) {
      const moved = this.#channel.moveFrom?.(piped.fd, piped.length - this.#moved) ?? EINVAL;
      // The pipe holds less than announced; the rest would never come.
      return moved === 0 ? EIO : moved;
    }
    return this.#channel.write(this.#partsDone === 0 ? parts : parts.slice(this.#partsDone), this.#offset);
  }

  #advance(parts: readonly Uint8Array[], count: number): void {
    let offset = this.#offset + count;
    for (
      let part = parts[this.#partsDone];
      part !== undefined && offset >= part.length;
      part = parts[this.#partsDone]
    ) {
      offset -= part.length;
      this.#partsDone += 1;
    }
    this.#offset = offset;
  }

  #failWrites(error: () => SystemError): void {
    this.#writeEnd ??= error;
    const writes = this.#writing.splice(0);
    this.#partsDone = 0;
    this.#offset = 0;
    this.#moved = 0;
    if (!this.#closed) this.#watch.set(this.#watch.events & ~EPOLLOUT);
    for (const write of writes) write.reject(error());
  }
}

const done = Promise.resolve();

function brokenPipe(): SystemError {
  return new SystemError("EPIPE", "write");
}
