/** `Sockets` over Node. */
import { createConnection } from "node:net";
import { abortError, onAbort, throwIfAborted } from "../../util/abort.ts";
import { deferred } from "../../util/deferred.ts";
import type { ByteStream, Sockets } from "../os.ts";
import { sendDescriptor } from "./send-descriptor.ts";
import { listenOnPath } from "./socket-listener.ts";
import { checkSocketPath } from "./socket-path.ts";
import { SocketStream } from "./socket-stream.ts";
import { toSystemError } from "./system-error.ts";

/** `launcher` is the install root's `kumite`. */
export function nodeSockets(launcher: string): Sockets {
  return {
    connect,
    listen: listenOnPath,
    sendDescriptor: (stream, text, descriptor) => sendDescriptor(launcher, stream, text, descriptor),
  };
}

async function connect(path: string, signal?: AbortSignal): Promise<ByteStream> {
  checkSocketPath("connect", path);
  throwIfAborted(signal);
  const socket = createConnection({ path, allowHalfOpen: true });
  const stream = new SocketStream(socket);
  const connected = deferred();
  const forget = onAbort(signal, () => connected.reject(abortError(signal as AbortSignal)));
  socket.once("connect", () => connected.resolve());
  socket.once("error", (error) => connected.reject(toSystemError(error, "connect", path)));
  try {
    await connected.promise;
  } catch (error) {
    stream.close();
    throw error;
  } finally {
    forget();
  }
  return stream;
}
