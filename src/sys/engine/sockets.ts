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

/** As many as may wait; the kernel cuts it to net.core.somaxconn. */
export const backlog = 4096;
/** Between attempts while the listener's queue is full, which nothing else tells of. */
const retryMs: readonly number[] = [1, 2, 5, 10, 20, 50];

export const engineSockets: Sockets = {
  connect: async (path, signal) => ownStream(await connectUnix(path, signal)),
  listen: async (path, mode) => new UnixListener(path, bindUnix(path, mode, SOCK_NONBLOCK)),
  sendDescriptor,
};

/** As `Sockets.sendDescriptor`. */
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

/** A connected nonblocking descriptor. */
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

/** A listening socket; the file has its mode from the first moment. `typeFlags`: SOCK_NONBLOCK or 0. */
export function bindUnix(path: string, mode: number, typeFlags: number): number {
  const address = unixAddress(path);
  const fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | typeFlags);
  try {
    // The file gets what the socket has, less the umask; never more than asked for.
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
