/**
 * The virtio port that leads to the host. It is opened once and never again: what the host sends around a close is lost.
 */
import { Watch } from "../../sys/engine/loop.ts";
import { readdir } from "../../sys/linux/directory.ts";
import { EPOLLHUP, EPOLLOUT } from "../../sys/linux/epoll.ts";
import { open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../../sys/linux/open-flags.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";

/** What the host calls it. */
const portName = "agent.channel.0";
/** Ports are numbered in the order of devices, so a number says nothing. */
const portsDirectory = "/sys/class/virtio-ports";
/** The kernel finds devices while we already run. */
const timeoutMs = 30_000;
/** The name of a port comes as a message of the host's, of which nothing tells: looking costs less than being late. */
const longestPauseMs = 4;

/** Bit 31: a plain `|` would make the number negative. */
const EPOLLET = 0x8000_0000;

/** @throws KumiteError `timeout` when the machine has no such port */
export async function openHostPort(): Promise<number> {
  const find = async (): Promise<string> => {
    const port = portToHost();
    if (port === undefined) throw new KumiteError("agent/failed", `no virtio port is named ${portName}`);
    return port;
  };
  const what = "finding the port to the host";
  // A kernel with its drivers built in has found it by now.
  const port = portToHost() ?? (await retry(find, { what, timeoutMs, firstPauseMs: 1, longestPauseMs }));
  return open(`/dev/${port}`, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

/** Resolves when somebody on the host has the other end open, at once if so. */
export function whenHostConnected(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = new Watch(fd, (events) => {
      if ((events & EPOLLHUP) !== 0) return;
      watch.close();
      resolve();
    });
    // Only changes: while nobody is there the port reports that without end. Writable, because that is what a connected
    // port is without a byte from the host.
    watch.set(EPOLLOUT + EPOLLET);
  });
}

function portToHost(): string | undefined {
  return ports().find((name) => nameOf(name) === portName);
}

function ports(): string[] {
  try {
    return readdir(portsDirectory).map(({ name }) => name);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return [];
    throw error;
  }
}

/** A port may be there before its name is. */
function nameOf(port: string): string | undefined {
  try {
    return readFileText(`${portsDirectory}/${port}/name`).trim();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
