/**
 * A `Listener` over a Node server. Connections that nobody has taken yet wait here with their data unread. Their number
 * is bounded.
 */
import { readFileSync, readlinkSync } from "node:fs";
import { unlink } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { SystemError } from "../../util/errors.ts";
import type { ByteStream, Listener } from "../os.ts";
import { checkSocketPath } from "./socket-path.ts";
import { SocketStream } from "./socket-stream.ts";
import { errnoOf, toSystemError } from "./system-error.ts";

/** Limit of connections that nobody has taken; more are closed at once. */
const maxWaiting = 512;

/** Implements `Sockets.listen`. */
export async function listenOnPath(path: string, mode: number): Promise<Listener> {
  checkSocketPath("bind", path);
  // Node binds before `listen` returns, so the umask applies to the socket file, which never has wider permissions.
  const umask = process.umask(0o777 & ~mode);
  let listening: Promise<Listener>;
  try {
    listening = startListening({ path }, path);
  } finally {
    process.umask(umask);
  }
  return await listening;
}

/** Listens on a listening unix socket that this process inherited. Takes ownership of the descriptor. */
export async function listenOnDescriptor(fd: number): Promise<Listener> {
  return await startListening({ fd }, pathOfListeningSocket(fd));
}

async function startListening(
  where: { readonly path: string } | { readonly fd: number },
  path: string,
): Promise<Listener> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  const listener = new SocketListener(server, path);
  await new Promise<void>((resolve, reject) => {
    // Stays installed: it later gets errors of accept, such as a lack of descriptors. That connection is lost, the
    // server goes on.
    server.on("error", (error) => reject(toSystemError(error, "listen", path)));
    server.listen(where, resolve);
  });
  return listener;
}

class SocketListener implements Listener {
  readonly path: string;
  readonly #server: Server;
  readonly #waiting: ByteStream[] = [];
  readonly #takers: ((result: IteratorResult<ByteStream>) => void)[] = [];
  #closed: Promise<void> | undefined;

  constructor(server: Server, path: string) {
    this.#server = server;
    this.path = path;
    server.on("connection", (socket) => this.#accept(socket));
  }

  [Symbol.asyncIterator](): AsyncIterator<ByteStream> {
    return { next: () => this.#next(), return: async () => ({ done: true, value: undefined }) };
  }

  close(): Promise<void> {
    this.#closed ??= this.#shut();
    return this.#closed;
  }

  async #shut(): Promise<void> {
    // The callback of `close` would wait for open connections, but the server stops listening before the call returns.
    this.#server.close();
    for (const stream of this.#waiting.splice(0)) stream.close();
    for (const taker of this.#takers.splice(0)) taker({ done: true, value: undefined });
    if (this.path === "") return;
    await unlink(this.path).catch((error: unknown) => {
      if (errnoOf(error) !== "ENOENT") throw toSystemError(error, "unlink", this.path);
    });
  }

  #accept(socket: Socket): void {
    const stream = new SocketStream(socket);
    const taker = this.#takers.shift();
    if (taker !== undefined) taker({ done: false, value: stream });
    else if (this.#closed === undefined && this.#waiting.length < maxWaiting) this.#waiting.push(stream);
    else stream.close();
  }

  #next(): Promise<IteratorResult<ByteStream>> {
    const stream = this.#waiting.shift();
    if (stream !== undefined) return Promise.resolve({ done: false, value: stream });
    if (this.#closed !== undefined) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#takers.push(resolve));
  }
}

/**
 * The path of an inherited socket. Node has no getsockname(2) for unix sockets, but proc(5) lists the path by inode.
 */
function pathOfListeningSocket(fd: number): string {
  let inode: string | undefined;
  try {
    inode = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1];
  } catch (error) {
    throw toSystemError(error, "listen", `descriptor ${fd}`);
  }
  if (inode === undefined) throw new SystemError("ENOTSOCK", "listen", `descriptor ${fd}`);
  for (const line of readFileSync("/proc/self/net/unix", "utf8").split("\n")) {
    // Num RefCount Protocol Flags Type St Inode Path
    const fields = line.trim().split(/ +/);
    if (fields[6] === inode) return fields.slice(7).join(" ");
  }
  return "";
}
