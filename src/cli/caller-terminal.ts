/** The terminal of the verb's caller while a process in the foreground has it: raw, and always put back. */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { Os, WindowSize } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

export interface CallerTerminal extends Disposable {
  /** `undefined` when there is no terminal, or it has no size. */
  readonly size: WindowSize | undefined;
  /** Typed keys go through untouched from now on: the terminal in the guest gives them their meaning. */
  makeRaw(): void;
  /** What it was before; twice is harmless. */
  restore(): void;
}

/** Does nothing where the process is not on the caller's terminal, or the caller has none. */
export function callerTerminal(os: Os, stdio: RelayStdio): CallerTerminal {
  const terminal = stdio.kind === "terminal" ? [0, 1, 2].find((fd) => os.terminals.isTerminal(fd)) : undefined;
  const size = terminal === undefined ? undefined : os.terminals.windowSize(terminal);
  let raw: { restore(): void } | undefined;
  const restore = (): void => {
    try {
      raw?.restore();
    } catch (error) {
      // One that has hung up is nobody's any more.
      if (!isSystemError(error, "EIO", "ENOTTY")) throw error;
    }
  };
  return {
    size: size !== undefined && size.rows > 0 && size.columns > 0 ? size : undefined,
    makeRaw: () => {
      // Only where keys come from it: with input from a file, ^C is still for the verb.
      if (terminal !== undefined && os.terminals.isTerminal(0)) raw ??= os.terminals.makeRaw(0);
    },
    restore,
    [Symbol.dispose]: restore,
  };
}
