/**
 * `ByteStream` over a descriptor that this process inherited. The descriptor is shared with other processes, so
 * O_NONBLOCK must not be set on it: FIFOs and terminals are opened again, while files and /dev/null never block.
 * Sockets are the exception, because Node cannot use one without setting it. So a socket that is passed to a Node
 * process must not be shared with others.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { isatty, ReadStream, WriteStream } from "node:tty";
import { SystemError } from "../../util/errors.ts";
import type { ByteStream } from "../os.ts";
import { FileStream } from "./file-stream.ts";
import { PipeReader } from "./pipe-reader.ts";
import { SocketStream } from "./socket-stream.ts";
import { toSystemError } from "./system-error.ts";

/** Implements `Self.stream`. */
export function descriptorStream(fd: number): ByteStream {
  try {
    const status = fstatSync(fd);
    if (status.isSocket()) return new SocketStream(new Socket({ fd, allowHalfOpen: true }));
    const { read, write } = accessOf(fd);
    if (status.isFIFO()) {
      return new SplitStream(
        fd,
        read ? new PipeReader(reopen(fd, constants.O_RDONLY | constants.O_NONBLOCK)) : undefined,
        write ? pipeWriter(reopen(fd, constants.O_WRONLY | constants.O_NONBLOCK)) : undefined,
      );
    }
    if (isatty(fd)) {
      return new SplitStream(
        fd,
        read ? new SocketStream(new ReadStream(reopen(fd, constants.O_RDONLY))) : undefined,
        write ? new SocketStream(new WriteStream(reopen(fd, constants.O_WRONLY))) : undefined,
      );
    }
    return new FileStream(fd);
  } catch (error) {
    throw toSystemError(error, "open", `descriptor ${fd}`);
  }
}

/** The two directions of a FIFO or terminal, each opened separately, and the original descriptor. */
class SplitStream implements ByteStream {
  #fd: number | undefined;
  readonly #reader: Pick<ByteStream, "read" | "close"> | undefined;
  readonly #writer: ByteStream | undefined;

  constructor(fd: number, reader: Pick<ByteStream, "read" | "close"> | undefined, writer: ByteStream | undefined) {
    this.#fd = fd;
    this.#reader = reader;
    this.#writer = writer;
  }

  async read(signal?: AbortSignal): Promise<Uint8Array | undefined> {
    if (this.#reader === undefined) throw new SystemError("EBADF", "read");
    return await this.#reader.read(signal);
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#writer === undefined) throw new SystemError("EBADF", "write");
    await this.#writer.write(bytes);
  }

  async end(): Promise<void> {
    if (this.#writer === undefined) return;
    // There is no shutdown(2) here: the reader sees the end when all descriptors for writing are closed.
    await this.#writer.write(new Uint8Array());
    this.#writer.close();
    if (this.#reader === undefined) this.#closeOriginal();
  }

  close(): void {
    this.#reader?.close();
    this.#writer?.close();
    this.#closeOriginal();
  }

  #closeOriginal(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function accessOf(fd: number): { readonly read: boolean; readonly write: boolean } {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
  const access = Number.parseInt(flags, 8) & 3;
  return { read: access !== constants.O_WRONLY, write: access !== constants.O_RDONLY };
}

function pipeWriter(fd: number): ByteStream {
  return new SocketStream(new Socket({ fd, readable: false, writable: true }));
}

/** Opens a new file description of the same object, whose flags are not shared. */
function reopen(fd: number, flags: number): number {
  return openSync(`/proc/self/fd/${fd}`, flags | constants.O_NOCTTY);
}
