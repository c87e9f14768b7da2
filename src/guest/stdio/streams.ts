/** Makes the standard streams of a process: pipes, or a terminal that the process itself has opened. */
import { ownStream } from "../../sys/engine/stream.ts";
import { fchown } from "../../sys/linux/directory.ts";
import { closeQuietly, dupAbove, open, pipe2 } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDWR } from "../../sys/linux/open-flags.ts";
import { setPipeSize } from "../../sys/linux/pipe.ts";
import type { ByteStream } from "../../sys/os.ts";
import { Output } from "./output.ts";

/** The agent's ends of the streams. */
export interface ProcessStreams {
  readonly input: ByteStream;
  readonly output: Output;
  /** `undefined` with a terminal, where stderr is part of the output. */
  readonly error: Output | undefined;
  /** The terminal's master, for its size; owned by `output`. */
  readonly terminal: number | undefined;
}

/** The new process's ends: standard input, output and error. */
export interface ChildEnds {
  readonly standard: readonly [number, number, number];
  /** Closes them in the agent, once the process has its duplicates. */
  close(): void;
}

export interface Pipes {
  readonly streams: ProcessStreams;
  readonly child: ChildEnds;
}

/**
 * @param uid user that will own the process's ends, so that it can open them again by name (/dev/stdout)
 * @param pipeSizeBytes capacity of the output pipes; 0 keeps the kernel's default
 */
export function openPipes(uid: number, pipeSizeBytes: number): Pipes {
  const opened: number[] = [];
  try {
    const make = (sizeBytes: number): { readonly read: number; readonly write: number } => {
      const pipe = pipe2(O_CLOEXEC);
      opened.push(pipe.read, pipe.write);
      if (sizeBytes > 0) setPipeSize(pipe.write, sizeBytes);
      return pipe;
    };
    const [input, output, error] = [make(0), make(pipeSizeBytes), make(pipeSizeBytes)];
    const standard = [input.read, output.write, error.write] as const;
    giveEnds(standard, uid);
    return {
      streams: {
        input: ownStream(input.write),
        output: new Output(output.read),
        error: new Output(error.read),
        terminal: undefined,
      },
      child: ends(standard),
    };
  } catch (error) {
    for (const fd of opened) closeQuietly(fd);
    throw error;
  }
}

/** Gives the process's ends of pipes, which were made as root's, to this user. */
export function giveEnds(standard: ChildEnds["standard"], uid: number): void {
  if (uid !== 0) for (const fd of standard) fchown(fd, uid, -1);
}

/** For a process that will open a terminal: until then it reads and writes /dev/null. */
export function openPlaceholders(): ChildEnds {
  const fd = open("/dev/null", O_RDWR | O_CLOEXEC);
  return ends([fd, fd, fd]);
}

/** Takes ownership of the master. */
export function streamsOfTerminal(master: number): ProcessStreams {
  // Input and output are watched independently, but one descriptor can be watched only once.
  const writing = dupAbove(master, 0);
  return { input: ownStream(writing), output: new Output(master), error: undefined, terminal: master };
}

export function closeStreams({ input, output, error }: ProcessStreams): void {
  input.close();
  output.close();
  error?.close();
}

function ends(standard: readonly [number, number, number]): ChildEnds {
  return {
    standard,
    close: () => {
      for (const fd of new Set(standard)) closeQuietly(fd);
    },
  };
}
