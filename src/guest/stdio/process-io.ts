/**
 * The standard streams of one process. The host uses each either as a byte stream on a port of its own, or by calls
 * (ReadStdout, WriteStdin …). A slow or missing reader of one stream does not delay the others.
 */
import { setWindowSize } from "../../sys/linux/terminal.ts";
import type { ByteStream, WindowSize } from "../../sys/os.ts";
import { linked, onAbort } from "../../util/abort.ts";
import { KumiteError } from "../../util/errors.ts";
import type { Output } from "./output.ts";
import type { PortSource, PortStream, Ports } from "./ports.ts";
import { type PumpEnd, pumpInput, pumpOutput } from "./pump.ts";
import { closeStreams, type ProcessStreams } from "./streams.ts";

/** Ports that the host gave; 0 means none. */
export interface StdioPorts {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

export type OutputName = "stdout" | "stderr";

/** The most that one call reads, in bytes: the default capacity of a pipe. */
const longestRead = 65536;

/** Why the input's signal is aborted. Nobody reads it, and a new error with its stack takes an emulated guest long. */
const inputOver = new KumiteError("protocol/closed", "the input is over");

export class ProcessIo {
  /**
   * Resolves when the host has received everything: all outputs were read to their ends, and all given ports were used.
   */
  readonly drained: Promise<void>;
  readonly #streams: ProcessStreams;
  readonly #onPorts: Readonly<Record<OutputName, boolean>>;
  readonly #life = linked();
  /** Lifetime of the input: ends with the process, or earlier. */
  readonly #inputLife = linked(this.#life.signal);

  /**
   * Takes ownership of the streams. When it returns, it listens on the ports.
   * @throws KumiteError `usage/invalid` for a port that is in use; then everything is closed
   */
  constructor(streams: ProcessStreams, wanted: StdioPorts, ports: Ports) {
    this.#streams = streams;
    const { output, error } = streams;
    this.#onPorts = { stdout: wanted.stdout !== 0, stderr: wanted.stderr !== 0 };
    let sources: PortSources;
    try {
      sources = listenOn(ports, wanted);
    } catch (failure) {
      this.close();
      throw failure;
    }
    const served = [
      this.#start(sources.stdin, (source) => this.#serveInput(source)),
      this.#start(sources.stdout, (source) => this.#serveOutput(source, output)),
      this.#start(sources.stderr, (source) => this.#serveOutput(source, error)),
    ];
    this.drained = Promise.all([output.ended, error?.ended, ...served]).then(() => undefined);
  }

  /** Resolves with some bytes, or none at the end. One read of each stream at a time. */
  async read(name: OutputName, length: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#onPorts[name]) throw wrongState(`${name} of this process has a port of its own`);
    const output = name === "stdout" ? this.#streams.output : this.#streams.error;
    if (output === undefined) return new Uint8Array(0);
    const buffer = new Uint8Array(length === 0 ? longestRead : Math.min(length, longestRead));
    return buffer.subarray(0, await output.read(buffer, signal));
  }

  /** Resolves with the number of bytes taken: all, or 0 when nobody reads them any more. */
  async write(bytes: Uint8Array): Promise<number> {
    if (this.#inputLife.signal.aborted) return 0;
    try {
      await this.#streams.input.write(bytes);
      return bytes.length;
    } catch {
      this.#inputLife.abort(inputOver);
      return 0;
    }
  }

  /** The process reads the end of its input after everything written so far. The input of a terminal has no end. */
  async closeInput(): Promise<void> {
    if (this.#streams.terminal !== undefined) return;
    this.#inputLife.abort(inputOver);
    await this.#streams.input.end();
  }

  /**
   * Ignored after the process's end.
   * @throws KumiteError `container/wrong-state` without a terminal
   */
  resize(size: WindowSize): void {
    const { terminal, output } = this.#streams;
    if (terminal === undefined) throw wrongState("this process has no terminal");
    if (!output.closed) setWindowSize(terminal, size);
  }

  /** Output of the process can still be read; what its remaining children write later cannot. */
  processEnded(): void {
    this.#inputLife.abort(inputOver);
    this.#streams.input.close();
    this.#streams.output.processEnded();
    this.#streams.error?.processEnded();
  }

  /** Closes all streams, read or not. Idempotent. */
  close(): void {
    this.#life.abort(new KumiteError("protocol/closed", "the process is gone"));
    closeStreams(this.#streams);
  }

  /** Never rejects. */
  async #start(source: PortSource | undefined, serve: (source: PortSource) => Promise<void>): Promise<void> {
    if (source === undefined) return;
    try {
      await serve(source);
    } catch {
      this.close();
    } finally {
      source.close();
    }
  }

  /**
   * The process may have ended before the host opens the port. The stream is accepted all the same, so that the host
   * sees the end.
   */
  async #serveInput(source: PortSource): Promise<void> {
    await serveStreams(source, this.#life.signal, (stream) =>
      pumpInput(stream, this.#streams.input, this.#inputLife.signal),
    );
    await this.closeInput();
  }

  /** If there is no output, as for stderr with a terminal, the stream ends at once. */
  async #serveOutput(source: PortSource, output: Output | undefined): Promise<void> {
    const { signal } = this.#life;
    await serveStreams(source, signal, async (stream, within) => {
      const end = output === undefined ? "complete" : await pumpOutput(output, stream, within);
      if (end === "complete") await stream.end();
      return end;
    });
    // Either everything was sent or the reader has disconnected. In the latter case the process gets EPIPE, as on any
    // host.
    output?.close();
  }
}

type PortSources = { readonly [Name in keyof StdioPorts]: PortSource | undefined };

/** Reserves all ports or none. */
function listenOn(ports: Ports, wanted: StdioPorts): PortSources {
  const taken: PortSource[] = [];
  const listen = (port: number): PortSource | undefined => {
    if (port === 0) return undefined;
    const source = ports.listen(port);
    taken.push(source);
    return source;
  };
  try {
    return { stdin: listen(wanted.stdin), stdout: listen(wanted.stdout), stderr: listen(wanted.stderr) };
  } catch (error) {
    for (const source of taken) source.close();
    throw error;
  }
}

/** Serves one stream, and another one only if the session with the host was lost in between. */
async function serveStreams(
  source: PortSource,
  signal: AbortSignal,
  transfer: (stream: ByteStream, within: AbortSignal) => Promise<PumpEnd>,
): Promise<void> {
  for (;;) {
    const dialled = await nextUnlessAborted(source, signal);
    if (dialled === undefined) return;
    const { stream, sessionLost, session } = dialled;
    // A transfer that waits for the host ends when the streams are closed.
    const forget = onAbort(signal, () => stream.close());
    const end = await transferWithin(session, signal, (within) => transfer(stream, within)).finally(forget);
    if (end === "peer-gone" && (await sessionLost())) continue;
    stream.close();
    return;
  }
}

/**
 * A transfer that waits for the process ends with the session, so that the next host is served at once and not only
 * after the next output.
 */
async function transferWithin(
  session: AbortSignal,
  signal: AbortSignal,
  transfer: (within: AbortSignal) => Promise<PumpEnd>,
): Promise<PumpEnd> {
  const within = linked(signal, session);
  try {
    return await transfer(within.signal);
  } catch (error) {
    if (session.aborted && !signal.aborted) return "peer-gone";
    throw error;
  } finally {
    within.unlink();
  }
}

async function nextUnlessAborted(source: PortSource, signal: AbortSignal): Promise<PortStream | undefined> {
  try {
    return await source.next(signal);
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}

function wrongState(message: string): KumiteError {
  return new KumiteError("container/wrong-state", message);
}
