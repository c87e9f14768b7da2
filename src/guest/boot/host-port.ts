/**
 * The virtio port to the host. The agent opens it once and never reopens it: data that the host sends around a close is
 * lost.
 */
import { Watch } from "../../sys/engine/loop.ts";
import { readdir } from "../../sys/linux/directory.ts";
import { EPOLLHUP, EPOLLOUT } from "../../sys/linux/epoll.ts";
import { open } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_NONBLOCK, O_RDWR } from "../../sys/linux/open-flags.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { retry } from "../../util/retry.ts";

/** The name that the host gave the port. */
const portName = "agent.channel.0";
/** Ports are numbered in the order of devices, so the agent looks for the name instead. */
const portsDirectory = "/sys/class/virtio-ports";
/** The kernel may still be probing devices when the agent starts. */
const timeoutMs = 30_000;
/**
 * The host sends the name of a port in a message, and nothing notifies the agent of it. Polling often costs less than
 * finding the port late.
 */
const longestPauseMs = 4;

/** Bit 31: a plain `|` would make the number negative. */
const EPOLLET = 0x8000_0000;

/** @throws KumiteError `timeout` when the VM has no such port */
export async function openHostPort(): Promise<number> {
  const find = async (): Promise<string> => {
    const port = portToHost();
    if (port === undefined) throw new KumiteError("agent/failed", `no virtio port is named ${portName}`);
    return port;
  };
  const what = "finding the port to the host";
  // A kernel with built-in drivers has found the port by now.
  const port = portToHost() ?? (await retry(find, { what, timeoutMs, firstPauseMs: 1, longestPauseMs }));
  return open(`/dev/${port}`, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

/** Resolves when a process on the host has the other end open; at once if one has. */
export function whenHostConnected(fd: number): Promise<void> {
  return new Promise((resolve) => {
    const watch = new Watch(fd, (events) => {
      if ((events & EPOLLHUP) !== 0) return;
      watch.close();
      resolve();
    });
    // Edge-triggered: while the host's end is closed, the port reports EPOLLHUP all the time. EPOLLOUT: a connected
    // port is writable even before the host has sent a byte.
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

/** A port can exist before it has its name. */
function nameOf(port: string): string | undefined {
  try {
    return readFileText(`${portsDirectory}/${port}/name`).trim();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
