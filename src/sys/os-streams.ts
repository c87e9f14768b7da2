/** Byte streams, as the `Os` interface gives them: sockets, pipes, and what is built on them. */

/** Bytes in a pipe of this process. Nobody else reads from the pipe. */
export interface PipedBytes {
  /** The pipe's reading end. */
  readonly fd: number;
  /** Everything the pipe holds; never a part of it, which a virtio port could not handle. */
  readonly length: number;
}

/** Zero-copy writing of bulk data (splice). Only the small engine has it. */
export interface PipedWriting {
  /** Resolves with the number of bytes that can be written now, at least one. Rejects as a write does. */
  room(): Promise<number>;
  /**
   * Writes `head`, then the piped bytes; there must be room for all of them. Queued in order with other writes, but
   * unlike those it settles only when the pipe is no longer in use.
   */
  write(bytes: PipedBytes, head?: Uint8Array): Promise<void>;
}

/** A socket, pipe or terminal. Reads are pulled, so a slow reader slows the writer and nothing is buffered unasked. */
export interface ByteStream {
  /**
   * The next bytes, at least one; `undefined` at end of stream. Only one read at a time. The array belongs to the
   * caller. An aborted read leaves the stream usable and loses no bytes.
   */
  read(signal?: AbortSignal): Promise<Uint8Array | undefined>;
  /**
   * Resolves when the kernel has taken all bytes. Writes are queued in order; the array must not be changed meanwhile.
   */
  write(bytes: Uint8Array): Promise<void>;
  /** Writes all parts in order, with one system call where possible. Callers use `writeParts`. */
  writeAll?(parts: readonly Uint8Array[]): Promise<void>;
  /** `undefined` where the kernel cannot splice into this stream. */
  readonly piped?: PipedWriting;
  /** Closes the writing side once all queued writes are done. Reading goes on. */
  end(): Promise<void>;
  /** Closes both sides at once; a pending read ends with `undefined`, a pending write fails with EPIPE. Idempotent. */
  close(): void;
}

/** A listening unix socket. */
export interface Listener extends AsyncIterable<ByteStream> {
  readonly path: string;
  /** Stops listening and removes the socket file. */
  close(): Promise<void>;
}
