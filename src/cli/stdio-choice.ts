/**
 * Where the streams of a new process are on the host: the one decision about terminals, for containers and exec alike.
 */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import { KumiteError } from "../util/errors.ts";

export interface StdioWish {
  /** The process is to have a terminal. */
  readonly terminal: boolean;
  /** Of `--console-socket`, absolute. */
  readonly consoleSocket: string | undefined;
  /** The verb stays until the process ends. */
  readonly foreground: boolean;
}

/** @throws KumiteError `usage/invalid` when nobody would hold the terminal, or a socket is given for none */
export function chooseStdio({ terminal, consoleSocket, foreground }: StdioWish): RelayStdio {
  if (consoleSocket !== undefined) {
    if (terminal && !foreground) return { kind: "console-socket", path: consoleSocket };
    const why = terminal ? "the process runs in the foreground, on the terminal of its caller" : "it has no terminal";
    throw new KumiteError("usage/invalid", `--console-socket is given for a process, but ${why}`, {
      hint: "leave it out, or ask for a terminal and detach",
    });
  }
  if (terminal && !foreground) {
    throw new KumiteError("usage/invalid", "a detached process with a terminal needs --console-socket", {
      hint: "name a unix socket that takes the terminal, or set process.terminal to false",
    });
  }
  return { kind: terminal ? "terminal" : "streams" };
}

/** A descriptor of the host cannot be passed into a machine. */
export function refusePreservedFds(count: number | undefined): void {
  if (count === undefined || count === 0) return;
  throw new KumiteError(
    "oci/unsupported",
    `--preserve-fds ${count}: a virtual machine takes no descriptors of the host`,
    {
      hint: "use a bind mount of a file or directory instead",
    },
  );
}
