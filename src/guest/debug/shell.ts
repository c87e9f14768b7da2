/** A program on a terminal of its own, outside of any container: with the agent's rights, namespaces and cgroup. */
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
  /** Absolute; may be of a descriptor of this process. */
  readonly path: string;
  readonly argv: readonly string[];
  /** Of its terminal. */
  readonly size: WindowSize | undefined;
  /** When it has been started. */
  readonly close: () => void;
}

const environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=linux", "HOME=/"];
/** What a terminal takes for the end of the input. */
const endOfInput = Uint8Array.of(4);
const typeAgainMs = 250;

/** Runs it to its end, or to the end of the stream: then its terminal hangs up. */
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

/** Its pid; the terminal becomes its controlling one. */
export function startOn(terminal: number, { path, argv }: ShellProgram): number {
  const pid = fork();
  return pid === 0 ? become(terminal, path, argv) : pid;
}

/** In the new process. Nothing may lead it back into the agent's own work. */
function become(terminal: number, path: string, argv: readonly string[]): never {
  try {
    resetSignals();
    setsid();
    setControllingTerminal(terminal);
    setStandard([terminal, terminal, terminal]);
    // The program itself may be one of the descriptors: it is closed by the execution.
    const [, own] = /^\/proc\/self\/fd\/(\d+)$/.exec(path) ?? [];
    closeAllBut(own === undefined ? [] : [Number(own)]);
    execve(path, argv, environment);
  } catch (error) {
    write(2, encodeUtf8(`the debug shell cannot run: ${messageOf(error)}\n`));
  } finally {
    exit(127);
  }
}

/** When the host is gone the terminal hangs up. */
async function copyInput(stream: ByteStream, terminal: ByteStream, exited: Promise<unknown>): Promise<void> {
  if ((await copy(stream, terminal)) === "broken") terminal.close();
  else await typeEnd(terminal, exited);
}

/**
 * Again and again: a shell changes the terminal's mode for each line that it lets be edited, and a key that was typed in
 * the other mode is lost then.
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

/** To the end of either; a terminal that nobody has open any more gives EIO. */
async function copy(from: ByteStream, to: Pick<ByteStream, "write">): Promise<"ended" | "broken"> {
  try {
    for (let bytes = await from.read(); bytes !== undefined; bytes = await from.read()) await to.write(bytes);
    return "ended";
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return "broken";
  }
}
