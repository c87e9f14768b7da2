/** Puts the caller's terminal into raw mode while a foreground process uses it, and always restores it. */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { Os, WindowSize } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";

export interface CallerTerminal extends Disposable {
  /** `undefined` when there is no terminal or its size is unknown. */
  readonly size: WindowSize | undefined;
  /** From now on keys are passed on unchanged; the terminal in the guest interprets them. */
  makeRaw(): void;
  /** Restores the previous mode. Calling it twice is harmless. */
  restore(): void;
}

/** Does nothing if the process does not use the caller's terminal or the caller has none. */
export function callerTerminal(os: Os, stdio: RelayStdio): CallerTerminal {
  const terminal = stdio.kind === "terminal" ? [0, 1, 2].find((fd) => os.terminals.isTerminal(fd)) : undefined;
  const size = terminal === undefined ? undefined : os.terminals.windowSize(terminal);
  let raw: { restore(): void } | undefined;
  const restore = (): void => {
    try {
      raw?.restore();
    } catch (error) {
      // A terminal that has hung up needs no restoring.
      if (!isSystemError(error, "EIO", "ENOTTY")) throw error;
    }
  };
  return {
    size: size !== undefined && size.rows > 0 && size.columns > 0 ? size : undefined,
    makeRaw: () => {
      // Only if standard input is the terminal. If it is a file, ^C still interrupts the verb.
      if (terminal !== undefined && os.terminals.isTerminal(0)) raw ??= os.terminals.makeRaw(0);
    },
    restore,
    [Symbol.dispose]: restore,
  };
}
