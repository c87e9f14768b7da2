/** `Sockets` of the engine: unix stream sockets by path. */
import * as native from "kumite:native";
import { delay, throwIfAborted } from "../../util/abort.ts";
import { isSystemError, SystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { check, EAGAIN } from "../linux/check.ts";
import { chmod, fchmod, unlink, unlinkQuietly } from "../linux/directory.ts";
import { closeQuietly } from "../linux/file.ts";
import { openDescriptor } from "../linux/open-descriptor.ts";
import {
  AF_UNIX,
  bind,
  listen,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  sendmsg,
  socket,
  unixAddress,
} from "../linux/socket.ts";
import type { ByteStream, Listener, OpenedDescriptor, Sockets } from "../os.ts";
import { type Acceptor, acceptor } from "./listener.ts";
import { descriptorOf, ownStream } from "./stream.ts";

/** Length of the accept queue; the kernel limits it to net.core.somaxconn. */
export const backlog = 4096;
/** Pauses between attempts while the listener's queue is full: the kernel does not report when there is room again. */
const retryMs: readonly number[] = [1, 2, 5, 10, 20, 50];

export const engineSockets: Sockets = {
  connect: async (path, signal) => ownStream(await connectUnix(path, signal)),
  listen: async (path, mode) => new UnixListener(path, bindUnix(path, mode, SOCK_NONBLOCK)),
  sendDescriptor,
};

/** Implements `Sockets.sendDescriptor`. */
async function sendDescriptor(stream: ByteStream, text: string, descriptor: OpenedDescriptor): Promise<void> {
  const opened = openDescriptor(descriptor);
  try {
    const bytes = encodeUtf8(text);
    const sent = sendmsg(descriptorOf(stream), bytes, [opened], MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < bytes.length) throw new SystemError("EAGAIN", "sendmsg", descriptor.path);
  } finally {
    closeQuietly(opened);
  }
}

/** Returns a connected nonblocking descriptor. */
export async function connectUnix(path: string, signal?: AbortSignal): Promise<number> {
  throwIfAborted(signal);
  const address = unixAddress(path);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK);
  try {
    for (let attempt = 0; ; attempt++) {
      const result = native.connect(fd, address, 0, address.length);
      if (result !== EAGAIN) {
        check(result, "connect", path);
        return fd;
      }
      await delay(retryMs[Math.min(attempt, retryMs.length - 1)] ?? 50, signal);
    }
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
}

/** Returns a listening socket, whose file has its mode from the beginning. `typeFlags`: SOCK_NONBLOCK or 0. */
export function bindUnix(path: string, mode: number, typeFlags: number): number {
  const address = unixAddress(path);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | typeFlags);
  try {
    // The file gets the mode of the socket without the bits of the umask, so never more than requested.
    fchmod(fd, mode);
    bind(fd, address, path);
  } catch (error) {
    closeQuietly(fd);
    throw error;
  }
  try {
    chmod(path, mode);
    listen(fd, backlog, path);
    return fd;
  } catch (error) {
    closeQuietly(fd);
    unlinkQuietly(path);
    throw error;
  }
}

class UnixListener implements Listener {
  readonly path: string;
  readonly #acceptor: Acceptor;
  #closed = false;

  constructor(path: string, fd: number) {
    this.path = path;
    this.#acceptor = acceptor(fd);
  }

  [Symbol.asyncIterator](): AsyncIterator<ByteStream> {
    return this.#acceptor[Symbol.asyncIterator]();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#acceptor.close();
    try {
      unlink(this.path);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }
}
