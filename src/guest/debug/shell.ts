/**
 * Runs a program on a terminal of its own, outside any container: with the agent's privileges, namespaces and cgroup.
 */
import { whenExited } from "../../sys/engine/reaper.ts";
import { ownStream } from "../../sys/engine/stream.ts";
import { closeQuietly, write } from "../../sys/linux/file.ts";
import { execve, exit, fork, setsid } from "../../sys/linux/process.ts";
import { resetSignals } from "../../sys/linux/signal.ts";
import { openPty, setControllingTerminal, setWindowSize } from "../../sys/linux/terminal.ts";
import type { ByteStream, WindowSize } from "../../sys/os.ts";
import { delay } from "../../util/abort.ts";
import { messageOf, SystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { closeAllBut, setStandard } from "../child/descriptors.ts";

export interface ShellProgram {
  /** Absolute; may name a descriptor of this process. */
  readonly path: string;
  readonly argv: readonly string[];
  /** Size of the terminal. */
  readonly size: WindowSize | undefined;
  /** Called when the program has been started. */
  readonly close: () => void;
}

const environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux", "HOME=/"];
/** ^D, which a terminal takes as the end of input. */
const endOfInput = Uint8Array.of(4);
const typeAgainMs = 250;

/** Runs the program until it ends, or until the stream ends: then its terminal hangs up. */
export async function runOnStream(stream: ByteStream, program: ShellProgram): Promise<void> {
  const { master, slave } = openPty();
  const terminal = ownStream(master);
  try {
    let pid: number;
    try {
      if (program.size !== undefined) setWindowSize(master, program.size);
      pid = startOn(slave, program);
    } finally {
      closeQuietly(slave);
      program.close();
    }
    const exited = whenExited(pid);
    void copyInput(stream, terminal, exited);
    await copy(terminal, stream);
    terminal.close();
    await exited;
  } finally {
    terminal.close();
  }
}

/** Returns the pid. The terminal becomes the controlling terminal. */
export function startOn(terminal: number, { path, argv }: ShellProgram): number {
  const pid = fork();
  return pid === 0 ? become(terminal, path, argv) : pid;
}

/** Runs in the new process, which must never return into the agent's own work. */
function become(terminal: number, path: string, argv: readonly string[]): never {
  try {
    resetSignals();
    setsid();
    setControllingTerminal(terminal);
    setStandard([terminal, terminal, terminal]);
    // The program itself may be one of the descriptors; exec closes it.
    const [, own] = /^\/proc\/self\/fd\/(\d+)$/.exec(path) ?? [];
    closeAllBut(own === undefined ? [] : [Number(own)]);
    execve(path, argv, environment);
  } catch (error) {
    write(2, encodeUtf8(`the debug shell cannot run: ${messageOf(error)}\n`));
  } finally {
    exit(127);
  }
}

/** Copies input to the terminal. When the host has disconnected, the terminal hangs up. */
async function copyInput(stream: ByteStream, terminal: ByteStream, exited: Promise<unknown>): Promise<void> {
  if ((await copy(stream, terminal)) === "broken") terminal.close();
  else await typeEnd(terminal, exited);
}

/**
 * Types ^D until the program ends. Once is not enough: a shell changes the terminal's mode for each line it edits, and
 * discards what was typed in the other mode.
 */
async function typeEnd(terminal: ByteStream, exited: Promise<unknown>): Promise<void> {
  let over = false;
  void exited.then(() => {
    over = true;
  });
  try {
    while (!over) {
      await terminal.write(endOfInput);
      await Promise.race([exited, delay(typeAgainMs)]);
    }
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  }
}

/** Copies until either side ends. Reading the master of a terminal that no process has open fails with EIO. */
async function copy(from: ByteStream, to: Pick<ByteStream, "write">): Promise<"ended" | "broken"> {
  try {
    for (let bytes = await from.read(); bytes !== undefined; bytes = await from.read()) await to.write(bytes);
    return "ended";
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return "broken";
  }
}
