/** `Terminals` of the engine. */
import { encodeUtf8 } from "../../util/text.ts";
import { closeQuietly } from "../linux/file.ts";
import { sendmsg } from "../linux/socket.ts";
import {
  getWindowSize,
  isTerminal,
  openPty,
  rawTermios,
  setControllingTerminal,
  setWindowSize,
  tcgetattr,
  tcsetattr,
} from "../linux/terminal.ts";
import type { Terminals } from "../os.ts";
import { connectUnix } from "./sockets.ts";

export const engineTerminals: Terminals = {
  isTerminal,
  makeRaw,
  windowSize: getWindowSize,
  setWindowSize,
  openPty: () => openPty(),
  setControllingTerminal,
  sendDescriptor,
};

function makeRaw(fd: number): { restore(): void } {
  const before = tcgetattr(fd);
  tcsetattr(fd, rawTermios(before));
  let raw = true;
  return {
    restore: () => {
      if (raw) tcsetattr(fd, before);
      raw = false;
    },
  };
}

/** A new connection takes a message of this size at once. */
async function sendDescriptor(socketPath: string, fd: number, name: string): Promise<void> {
  const socket = await connectUnix(socketPath);
  try {
    sendmsg(socket, encodeUtf8(name), [fd]);
  } finally {
    closeQuietly(socket);
  }
}
