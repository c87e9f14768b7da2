/**
 * The host's side of a process's streams: inherited descriptors, an inherited terminal, or a new terminal whose master
 * is sent to an engine. Knows nothing of the shim.
 */
import type { RelayStdio } from "../shim-client/relay-arguments.ts";
import type { ByteStream, Os, WindowSize } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";

export interface HostStdio {
  readonly stdin: ByteStream;
  readonly stdout: ByteStream;
  /** `undefined` with a terminal, which has a single output. */
  readonly stderr?: ByteStream;
  /** `undefined` without a terminal, or if the terminal has no size. */
  windowSize(): WindowSize | undefined;
  /** Called at the end of the input: whether that was the caller's terminal, and it has hung up. */
  hungUp(): boolean;
}

/** Name sent with the master to the engine, the same as runc's. */
const masterName = "/dev/ptmx";

/** @throws KumiteError `system/failed` with the console socket */
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
        // After a hang-up, the descriptor no longer answers a terminal's requests.
        hungUp: () => typed && !os.terminals.isTerminal(0),
      };
    }
    case "console-socket":
      return openConsole(os, stdio.path);
  }
}

/**
 * The slave becomes the controlling terminal of the relay's session, so that the engine's hang-up and changes of size
 * arrive as signals. It is in raw mode, because the terminal in the guest does line editing.
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
    // While the master is open here, the end of the engine would not cause a hang-up.
    os.self.closeDescriptor(master);
  }
  const terminal = os.self.stream(slave);
  // The engine decides what happens to a container from which it has disconnected.
  return { stdin: terminal, stdout: terminal, windowSize: () => sizeOf(os, slave), hungUp: () => false };
}

/** 0 × 0 means that nobody has set a size, so there is nothing to pass on. */
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
