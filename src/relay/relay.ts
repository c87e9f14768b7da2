/**
 * The process that stands for a workload on the host: it holds the caller's descriptors, copies the streams, forwards
 * signals, and exits with the workload's status. It does not run anything itself, and makes no decisions.
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

/** The exit status when the process's end could not be observed: killed, 128 + SIGKILL. */
const lostStatus = 137;

/**
 * When the process has ended, its output has arrived already. If nothing comes for this long, a descendant of an exec
 * process holds the stream open, and nobody waits for that. In milliseconds.
 */
const drainedAfterMs = 200;

/** How long a process whose terminal has hung up may take to end by itself, in milliseconds. */
const hangUpGraceMs = 10_000;

/**
 * Reports on `status` when it is ready to attach, or why it cannot. Resolves with the exit status.
 * @param enterRoot leaves the host's root file system; called when everything there has been opened
 */
export async function runRelay(
  os: Os,
  options: RelayOptions,
  status: ByteStream,
  enterRoot: () => void = () => {},
): Promise<number> {
  let attachment: Attachment;
  let host: HostStdio;
  // Needs /proc, which is out of reach later.
  const self = { pid: os.self.pid, startTicks: os.self.startTicks };
  try {
    attachment = await Attachment.connect(os, options);
    // Must precede sending the terminal away, since the first thing its new owner does is set its size.
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

/** If the process that started the relay is gone, the shim ends as well, which the relay notices. */
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
    // The create or exec that started this relay has failed, and its verb reports the reason.
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

/** Copies each stream as soon as it is open. A stream that cannot be opened counts as ended. */
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

/** Nobody can reach the process any more, and the verb in the foreground might wait for it forever. */
async function endAfterHangUp(attachment: Attachment, exit: Promise<number>): Promise<void> {
  attachment.kill(signalNumbers.SIGHUP);
  const ended = withDeadline(hangUpGraceMs, "waiting for the process to end", () => exit);
  await ended.catch(() => attachment.kill(signalNumbers.SIGKILL));
}

/**
 * When the host's input ends, so does the process's. When the process stops reading, the host's writer gets a hang-up.
 */
async function feed(source: ByteStream, stream: ByteStream): Promise<PumpEnd> {
  const end = await new Pump(source, stream).ended;
  if (end === "source-ended") await stream.end().catch(() => {});
  else source.close();
  return end;
}

/**
 * When the process's output ends, the host's is closed. When the host's reader leaves, the process gets a broken pipe.
 */
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
