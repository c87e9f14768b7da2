/**
 * The process that stands for a workload on the host: it holds the caller's descriptors, carries the bytes, passes
 * signals on, and ends with the workload's status. It runs nothing and decides nothing.
 */
import { failureLine, readyLine } from "../shim-client/boot-message.ts";
import type { RelayOptions } from "../shim-client/relay-arguments.ts";
import type { StdioStream } from "../shim-client/stdio-hello.ts";
import type { ByteStream, Os, ProcessId, SignalEvent } from "../sys/os.ts";
import { delay } from "../util/abort.ts";
import { withDeadline } from "../util/deadline.ts";
import { SystemError } from "../util/errors.ts";
import { passedOnSignals, signalNumbers } from "../util/signals.ts";
import { Attachment, type ProcessStream } from "./attachment.ts";
import { type HostStdio, openHostStdio } from "./host-stdio.ts";
import { Pump, type PumpEnd } from "./pump.ts";

/** How the end of a process looks that nobody could watch: killed, 128 + SIGKILL. */
const lostStatus = 137;

/**
 * After the end of the process, output that was sent before it is here already. A stream on which nothing comes for so
 * long is held open by a descendant of an exec's process, for which nobody waits. In milliseconds.
 */
const drainedAfterMs = 200;

/** For a process whose terminal is gone to end by itself, in milliseconds. */
const hangUpGraceMs = 10_000;

/**
 * Tells on `status` when it is ready to attach or why not. Resolves with the exit status.
 * @param enterRoot leaves the host's root file system, when everything that is there has been opened
 */
export async function runRelay(
  os: Os,
  options: RelayOptions,
  status: ByteStream,
  enterRoot: () => void = () => {},
): Promise<number> {
  let attachment: Attachment;
  let host: HostStdio;
  // Asks /proc, which is out of reach later.
  const self = { pid: os.self.pid, startTicks: os.self.startTicks };
  try {
    attachment = await Attachment.connect(os, options);
    // Before the terminal is given away: the first thing its new owner does is to set its size.
    os.self.onSignals([...passedOnSignals, signalNumbers.SIGWINCH], (event) => passOn(event, attachment, () => host));
    host = await openHostStdio(os, options.stdio);
    enterRoot();
    await tell(status, readyLine());
  } catch (error) {
    await tell(status, failureLine(error));
    return lostStatus;
  }
  return carry(self, attachment, host);
}

/** Who started us may be gone; then the shim will be too, and that is noticed soon enough. */
async function tell(status: ByteStream, line: Uint8Array): Promise<void> {
  try {
    await status.write(line);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
  } finally {
    status.close();
  }
}

function passOn({ signal }: SignalEvent, attachment: Attachment, host: () => HostStdio | undefined): void {
  if (signal !== signalNumbers.SIGWINCH) {
    attachment.kill(signal);
    return;
  }
  const size = host()?.windowSize();
  if (size !== undefined) attachment.resize(size);
}

async function carry(self: ProcessId, attachment: Attachment, host: HostStdio): Promise<number> {
  try {
    await attachment.attach(self);
  } catch {
    // The create or exec that wanted us has failed, and its verb says why.
    return lostStatus;
  }
  const size = host.windowSize();
  if (size !== undefined) attachment.resize(size);
  const exit = attachment.wait().catch(() => lostStatus);
  const outputs = await connectStreams(attachment, host, exit);
  const exitStatus = await exit;
  await drained(outputs);
  return Math.min(exitStatus, 255);
}

/** Each stream runs as soon as it is open. One that cannot be had is one that has ended. */
async function connectStreams(attachment: Attachment, host: HostStdio, exit: Promise<number>): Promise<Pump[]> {
  const open = (which: StdioStream) => attachment.open(which).catch(() => undefined);
  void open("stdin").then(async (stdin) => {
    const end = stdin && (await feed(host.stdin, stdin.stream));
    if (end === "source-ended" && host.hungUp()) await endAfterHangUp(attachment, exit);
  });
  const outputs = await Promise.all([
    open("stdout").then((stdout) => outputPump(stdout, host.stdout)),
    host.stderr && open("stderr").then((stderr) => outputPump(stderr, host.stderr)),
  ]);
  return outputs.filter((pump) => pump !== undefined);
}

/** Nobody can reach the process any more, and the verb in the foreground would wait for it, perhaps for ever. */
async function endAfterHangUp(attachment: Attachment, exit: Promise<number>): Promise<void> {
  attachment.kill(signalNumbers.SIGHUP);
  const ended = withDeadline(hangUpGraceMs, "the process's end", () => exit);
  await ended.catch(() => attachment.kill(signalNumbers.SIGKILL));
}

/** The end of the host's input is the end of the process's; a process that stopped reading hangs up on its writer. */
async function feed(source: ByteStream, stream: ByteStream): Promise<PumpEnd> {
  const end = await new Pump(source, stream).ended;
  if (end === "source-ended") await stream.end().catch(() => {});
  else source.close();
  return end;
}

/** The end of the process's output closes the host's; a reader that left is seen by the process as a broken pipe. */
function outputPump(from: ProcessStream | undefined, sink: ByteStream | undefined): Pump | undefined {
  if (from === undefined || sink === undefined) return undefined;
  const pump = new Pump({ read: () => from.reader.readSome() }, sink);
  void pump.ended.then((end) => (end === "source-ended" ? sink.close() : from.stream.close()));
  return pump;
}

async function drained(pumps: readonly Pump[]): Promise<void> {
  const over = Promise.all(pumps.map(({ ended }) => ended)).then(() => "over" as const);
  for (let last = -1; ; ) {
    const pieces = pumps.reduce((sum, pump) => sum + pump.pieces, 0);
    if (pieces === last && pumps.every((pump) => pump.idle)) return;
    last = pieces;
    if ((await Promise.race([over, delay(drainedAfterMs)])) === "over") return;
  }
}
