/** Sends a descriptor over a socket, which Node cannot do. A process of the small engine does it, on Node's socket. */
import { constants } from "node:os";
import { SystemError } from "../../util/errors.ts";
import { signalNumbers } from "../../util/signals.ts";
import type { ByteStream, OpenedDescriptor } from "../os.ts";
import { sendSocket, sentDescriptor } from "../send/protocol.ts";
import { SocketStream } from "./socket-stream.ts";
import { spawn } from "./spawn.ts";

/** Implements `Sockets.sendDescriptor`. `launcher` is the install root's `kumite`. */
export async function sendDescriptor(
  launcher: string,
  stream: ByteStream,
  text: string,
  descriptor: OpenedDescriptor,
): Promise<void> {
  const fd = stream instanceof SocketStream ? stream.descriptor : undefined;
  if (fd === undefined) throw new SystemError("EBADF", "sendmsg");
  // Waits until queued data has been sent.
  await stream.write(new Uint8Array(0));
  const child = await spawn(launcher, {
    path: launcher,
    argv: ["kumite-send", text],
    env: {},
    descriptors: { [sendSocket]: { kind: "inherit", fd }, [sentDescriptor]: descriptor },
    parentDeathSignal: signalNumbers.SIGKILL,
  });
  const exit = await child.exited;
  if (exit.kind === "exited" && exit.status === 0) return;
  const known = Object.entries(constants.errno).find(([, number]) => exit.kind === "exited" && number === exit.status);
  throw new SystemError(known?.[0] ?? "EIO", "sendmsg", descriptor.path);
}
