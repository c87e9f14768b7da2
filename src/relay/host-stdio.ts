/**
 * The host's side of a process's streams: inherited descriptors, an inherited terminal, or a terminal made here whose
 * master goes to an engine. Knows nothing of the shim.
 */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { ByteStream, Os, WindowSize } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";

export interface HostStdio {
  readonly stdin: ByteStream;
  readonly stdout: ByteStream;
  /** Not with a terminal: it has one output. */
  readonly stderr?: ByteStream;
  /** `undefined` without a terminal, and for one that has no size. */
  windowSize(): WindowSize | undefined;
  /** Asked at the end of the input: whether it was the caller's terminal, and that is gone. */
  hungUp(): boolean;
}

/** Name of the master in the message to the engine, as runc gives it. */
const masterName = "/dev/ptmx";

/** @throws KumiteError `system/failed` naming the console socket */
export async function openHostStdio(os: Os, stdio: RelayStdio): Promise<HostStdio> {
  switch (stdio.kind) {
    case "streams":
      return {
        stdin: os.self.stream(0),
        stdout: os.self.stream(1),
        stderr: os.self.stream(2),
        windowSize: () => undefined,
        hungUp: () => false,
      };
    case "terminal": {
      const typed = os.terminals.isTerminal(0);
      return {
        stdin: os.self.stream(0),
        stdout: os.self.stream(1),
        windowSize: () => sizeOf(os, [0, 1, 2].find(os.terminals.isTerminal)),
        // The kernel knows none of the ways of a terminal for a descriptor whose terminal has hung up.
        hungUp: () => typed && !os.terminals.isTerminal(0),
      };
    }
    case "console-socket":
      return openConsole(os, stdio.path);
  }
}

/**
 * The slave becomes the controlling terminal of the relay's session: a hang-up of the engine and a change of size reach
 * it as signals. Raw, because the terminal in the guest does the line editing.
 */
async function openConsole(os: Os, socketPath: string): Promise<HostStdio> {
  const { master, slave } = os.terminals.openPty();
  os.terminals.setControllingTerminal(slave);
  os.terminals.makeRaw(slave);
  try {
    await os.terminals.sendDescriptor(socketPath, master, masterName);
  } catch (error) {
    throw new KumiteError("system/failed", `--console-socket ${socketPath}: ${messageOf(error)}`, {
      phase: "relay.console",
      hint: "the socket must exist and a process must listen on it",
      data: { socket: socketPath },
    });
  } finally {
    // As long as it is open here, the end of the engine is no hang-up.
    os.self.closeDescriptor(master);
  }
  const terminal = os.self.stream(slave);
  // The engine decides what becomes of a container that it has let go of.
  return { stdin: terminal, stdout: terminal, windowSize: () => sizeOf(os, slave), hungUp: () => false };
}

/** A terminal that nobody has given a size is 0 × 0, which is no size to pass on. */
function sizeOf(os: Os, fd: number | undefined): WindowSize | undefined {
  if (fd === undefined) return undefined;
  try {
    const size = os.terminals.windowSize(fd);
    return size.rows > 0 && size.columns > 0 ? size : undefined;
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
