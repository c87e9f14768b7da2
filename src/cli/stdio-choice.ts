/**
 * Where the streams of a new process are on the host: the one decision about terminals, for containers and exec alike.
 */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";

/** In the order in which they are looked at for the caller's terminal. */
const standardStreams = [0, 1, 2];

export interface StdioWish {
  /** The process is to have a terminal. */
  readonly terminal: boolean;
  /** Of `--console-socket`, absolute. */
  readonly consoleSocket: string | undefined;
  /** The verb stays until the process ends. */
  readonly foreground: boolean;
  /** One of the caller's standard streams is a terminal. */
  readonly callerHasTerminal: () => boolean;
}

/** @throws KumiteError `usage/invalid` when nobody would hold the terminal, or there is none, or a socket is given for none */
export function chooseStdio({ terminal, consoleSocket, foreground, callerHasTerminal }: StdioWish): RelayStdio {
  if (consoleSocket !== undefined) {
    if (terminal && !foreground) return { kind: "console-socket", path: consoleSocket };
    const why = terminal ? "the process runs in the foreground, on the terminal of its caller" : "it has no terminal";
    throw new KumiteError("usage/invalid", `--console-socket cannot be used: ${why}`, {
      hint: "omit it, or use --detach and a terminal",
    });
  }
  if (terminal && !foreground) {
    throw new KumiteError("usage/invalid", "a detached process with a terminal needs --console-socket", {
      hint: "give a unix socket that receives the terminal, or set process.terminal to false",
    });
  }
  // Its input has no end: what waits for one, as a shell does, would wait for ever.
  if (terminal && !callerHasTerminal()) {
    throw new KumiteError("usage/invalid", "the process needs a terminal, but none of the standard streams is one", {
      hint: "run it on a terminal, set process.terminal to false, or omit --tty",
    });
  }
  return { kind: terminal ? "terminal" : "streams" };
}

/** Is there a terminal to take, whatever else of the streams goes elsewhere? */
export function hasTerminal({ terminals }: Os): boolean {
  return standardStreams.some((fd) => terminals.isTerminal(fd));
}

/** A descriptor of the host cannot be passed into a machine. */
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
