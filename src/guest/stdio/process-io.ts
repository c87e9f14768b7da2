/**
 * The standard streams of one process as the host uses them: each either on a port of its own, as a byte stream, or by
 * calls (ReadStdout, WriteStdin …). A slow or absent reader of one stream holds up nothing else.
 */
import { setWindowSize } from "../../sys/linux/terminal.ts";
import type { ByteStream, WindowSize } from "../../sys/os.ts";
import { linked, onAbort } from "../../util/abort.ts";
import { KumiteError } from "../../util/errors.ts";
import type { Output } from "./output.ts";
import type { PortSource, PortStream, Ports } from "./ports.ts";
import { type PumpEnd, pumpInput, pumpOutput } from "./pump.ts";
import { closeStreams, type ProcessStreams } from "./streams.ts";

/** Ports as the host gave them; 0 is none. */
export interface StdioPorts {
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

export type OutputName = "stdout" | "stderr";

/** Most that one call reads, in bytes: what a pipe holds. */
const longestRead = 65536;

export class ProcessIo {
  /** Resolves when the host has had everything: outputs were read to their ends, and ports that it was given were used. */
  readonly drained: Promise<void>;
  readonly #streams: ProcessStreams;
  readonly #onPorts: Readonly<Record<OutputName, boolean>>;
  readonly #life = linked();
  /** Of the input: over with the process, or before. */
  readonly #inputLife = linked(this.#life.signal);

  /**
   * Owns the streams, and listens on the ports when it returns.
   * @throws KumiteError `usage/invalid` for a port that is taken; everything is closed then
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

  /** Some bytes, or none at the end. One read of each stream at a time. */
  async read(name: OutputName, length: number, signal: AbortSignal): Promise<Uint8Array> {
    if (this.#onPorts[name]) throw wrongState(`${name} of this process is on a port of its own`);
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
      this.#inputLife.abort();
      return 0;
    }
  }

  /** The process reads its end of input after what was written. A terminal's input has no end. */
  async closeInput(): Promise<void> {
    if (this.#streams.terminal !== undefined) return;
    this.#inputLife.abort();
    await this.#streams.input.end();
  }

  /** @throws KumiteError `container/wrong-state` without a terminal; after the process's end it is ignored */
  resize(size: WindowSize): void {
    const { terminal, output } = this.#streams;
    if (terminal === undefined) throw wrongState("this process has no terminal");
    if (!output.closed) setWindowSize(terminal, size);
  }

  /** What the process wrote can still be read; what a left-over child of it writes later cannot. */
  processEnded(): void {
    this.#inputLife.abort();
    this.#streams.input.close();
    this.#streams.output.processEnded();
    this.#streams.error?.processEnded();
  }

  /** Everything at once, read or not. Idempotent. */
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

  /** A process may have ended before the host comes to its port: it is let in all the same, to see the end. */
  async #serveInput(source: PortSource): Promise<void> {
    await serveStreams(source, this.#life.signal, (stream) =>
      pumpInput(stream, this.#streams.input, this.#inputLife.signal),
    );
    await this.closeInput();
  }

  /** Without an output, as for the errors of a terminal, the stream ends at once. */
  async #serveOutput(source: PortSource, output: Output | undefined): Promise<void> {
    const { signal } = this.#life;
    await serveStreams(source, signal, async (stream, within) => {
      const end = output === undefined ? "complete" : await pumpOutput(output, stream, within);
      if (end === "complete") await stream.end();
      return end;
    });
    // Complete, or a reader that went away: the process learns it from EPIPE, as on any host.
    output?.close();
  }
}

type PortSources = { readonly [Name in keyof StdioPorts]: PortSource | undefined };

/** All or none. */
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

/** Serves one stream; a further one only when the session with the host was lost in the middle. */
async function serveStreams(
  source: PortSource,
  signal: AbortSignal,
  transfer: (stream: ByteStream, within: AbortSignal) => Promise<PumpEnd>,
): Promise<void> {
  for (;;) {
    const dialled = await nextUnlessAborted(source, signal);
    if (dialled === undefined) return;
    const { stream, sessionLost, session } = dialled;
    // A transfer that waits for the host ends with the process.
    const forget = onAbort(signal, () => stream.close());
    const end = await transferWithin(session, signal, (within) => transfer(stream, within)).finally(forget);
    if (end === "peer-gone" && (await sessionLost())) continue;
    stream.close();
    return;
  }
}

/** One that waits for the process ends with the session: the next host is heard at once, not after the next output. */
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
