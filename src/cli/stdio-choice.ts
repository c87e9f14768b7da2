/**
 * Decides where the streams of a new process are on the host. This is the only decision about terminals, for containers
 * and `exec` alike.
 */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

/** In the order in which they are searched for the caller's terminal. */
const standardStreams = [0, 1, 2];

export interface StdioWish {
  /** The process gets a terminal. */
  readonly terminal: boolean;
  /** From `--console-socket`, absolute. */
  readonly consoleSocket: string | undefined;
  /** The verb stays until the process ends. */
  readonly foreground: boolean;
  /** One of the caller's standard streams is a terminal. */
  readonly callerHasTerminal: () => boolean;
}

/**
 * @throws KumiteError `usage/invalid` if terminal, socket and foreground contradict each other, or no terminal exists
 */
export function chooseStdio({ terminal, consoleSocket, foreground, callerHasTerminal }: StdioWish): RelayStdio {
  if (consoleSocket !== undefined) {
    if (terminal && !foreground) return { kind: "console-socket", path: consoleSocket };
    const why = terminal
      ? "the process runs in the foreground, on the terminal of its caller"
      : "the process has no terminal";
    throw new KumiteError("usage/invalid", `--console-socket cannot be used: ${why}`, {
      hint: "omit it, or use --detach and a terminal",
    });
  }
  if (terminal && !foreground) {
    throw new KumiteError("usage/invalid", "a detached process with a terminal needs --console-socket", {
      hint: "give a unix socket that receives the terminal, or set process.terminal to false",
    });
  }
  // The terminal's input would never end, and a program that waits for its end, such as a shell, would wait forever.
  if (terminal && !callerHasTerminal()) {
    throw new KumiteError("usage/invalid", "the process needs a terminal, but none of the standard streams is one", {
      hint: "run it on a terminal, set process.terminal to false, or omit --tty",
    });
  }
  return { kind: terminal ? "terminal" : "streams" };
}

/** Whether any standard stream is a terminal, even if the others are redirected. */
export function hasTerminal({ terminals }: Os): boolean {
  return standardStreams.some((fd) => terminals.isTerminal(fd));
}

/** A descriptor of the host cannot be passed into a VM. */
export function refusePreservedFds(count: number | undefined): void {
  if (count === undefined || count === 0) return;
  throw new KumiteError(
    "oci/unsupported",
    `--preserve-fds ${count}: file descriptors of the host cannot be passed into a VM`,
    {
      hint: "use a bind mount of a file or directory instead",
    },
  );
}
