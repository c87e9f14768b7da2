/** A process in a library sandbox: its streams, its exit, and signals to it. */
import { attachRelay } from "../sandbox/attach.ts";
import { signalInGuest } from "../sandbox/kill.ts";
import type { SandboxProcess } from "../sandbox/process.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { StdioName } from "../sandbox/stdio.ts";
import type { ByteStream } from "../sys/os.ts";
import { signalNumbers } from "../util/signals.ts";
import { streamPair } from "../util/stream-pair.ts";
import { encodeUtf8 } from "../util/text.ts";

export interface ProcessExit {
  /** 0 to 255; 128 + n after signal n. */
  readonly exitStatus: number;
  /** Milliseconds since 1970. */
  readonly exitedMs: number;
}

export interface ProcessInput {
  /**
   * Text is encoded as UTF-8. Resolves when the data has been sent; rejects with EPIPE if the process no longer reads.
   */
  write(data: string | Uint8Array): Promise<void>;
  /** Closes the process's standard input. */
  end(): Promise<void>;
}

/** A process that was started. If its output is not read, it blocks after some hundred kilobytes. */
export interface RunningProcess {
  /** Id of the process within its sandbox; empty for the main process. */
  readonly id: string;
  readonly stdin: ProcessInput;
  /** Output in pieces as they arrive; can be iterated once. */
  readonly stdout: AsyncIterable<Uint8Array>;
  readonly stderr: AsyncIterable<Uint8Array>;
  /** Resolves when the process has ended and its output was read or `close` was called. Never rejects. */
  readonly exited: Promise<ProcessExit>;
  /**
   * @param signal number; default SIGTERM
   * @throws KumiteError `container/wrong-state`, `agent/failed`; not if the process has ended
   */
  kill(signal?: number): Promise<void>;
  /** Kills the process if it is running and discards unread output. Resolves when it has ended. */
  close(): Promise<void>;
}

/** @internal Takes the streams of a process that the sandbox has registered. */
export async function attachProcess(sandbox: Sandbox, process: SandboxProcess): Promise<RunningProcess> {
  const connection = new AbortController();
  await attachRelay(sandbox, process.key, process.relay, connection.signal);
  const connect = (name: StdioName): ByteStream => {
    const [theirs, ours] = streamPair();
    process.stdio.offerRelay(name, theirs);
    return ours;
  };
  const [stdin, stdout, stderr] = [connect("stdin"), connect("stdout"), connect("stderr")];
  const exited = process.exited.then((exit) => {
    // Like the end of a relay: the sandbox may now forget the process.
    connection.abort();
    return exit;
  });
  return {
    id: process.key.execId ?? "",
    stdin: {
      write: (data) => stdin.write(typeof data === "string" ? encodeUtf8(data) : data),
      end: () => stdin.end(),
    },
    stdout: piecesOf(stdout),
    stderr: piecesOf(stderr),
    exited,
    kill: async (signal = signalNumbers.SIGTERM) => {
      if (process.state.phase !== "stopped") await signalInGuest(sandbox, process, signal);
    },
    close: async () => {
      connection.abort();
      for (const stream of [stdin, stdout, stderr]) stream.close();
      await exited;
    },
  };
}

async function* piecesOf(stream: ByteStream): AsyncGenerator<Uint8Array, void, undefined> {
  for (let piece = await stream.read(); piece !== undefined; piece = await stream.read()) yield piece;
}
