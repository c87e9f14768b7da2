/** The lies of the agent, by name. Each is one way in which a guest under an attacker's control may attack its host. */
import { ListProcessesResponse, StatsContainerResponse } from "../../src/protocol/gen/kata/control.ts";
import { encodeHeader as ttrpcHeader, frameType as ttrpcType } from "../../src/protocol/ttrpc/frame.ts";
import type { RawMethod } from "../../src/protocol/ttrpc/service-table.ts";
import { encodeHeader, frameFlag, frameType } from "../../src/protocol/yamux/frame.ts";
import type { ByteStream } from "../../src/sys/os.ts";
import type { Honest } from "./agent.ts";

export interface Lie {
  /** Replaces everything. */
  readonly instead?: (honest: Honest) => Promise<void>;
  /** Replaces ttrpc. */
  readonly onAgentPort?: (stream: ByteStream) => Promise<void>;
  /** Runs beside an honest session. */
  readonly beside?: (honest: Honest) => Promise<void>;
  /** Replace honest answers, by method. */
  readonly answers?: Readonly<Record<string, RawMethod>>;
  /** Runs before the container's end is reported; default: the container ends at once. */
  readonly beforeExit?: (honest: Honest) => Promise<unknown>;
  /** Exit status; default 0. */
  readonly status?: number;
}

const mebibyte = 1024 * 1024;
const floodBytes = 1024 * mebibyte;
const never = (): Promise<never> => new Promise(() => {});
const junk = (length: number): Uint8Array => Uint8Array.from({ length }, (_, at) => (at * 89 + 41) & 0xff);

export const lies: Readonly<Record<string, Lie>> = {
  "noise instead of frames": {
    instead: async ({ carrier }) => {
      for (;;) await carrier.write(junk(64 * 1024));
    },
  },
  "a frame of the largest length": {
    instead: ({ carrier }) => carrier.write(encodeHeader(frameType.data, frameFlag.syn, 2, 0xffff_ffff)),
  },
  "half a header": {
    instead: async ({ carrier }) => {
      await carrier.write(encodeHeader(frameType.ping, frameFlag.syn, 0, 1).subarray(0, 7));
      await carrier.end();
    },
  },
  "data for streams that nobody opened": {
    instead: ({ carrier }) => carrier.write(joined(encodeHeader(frameType.data, 0, 4711, 4), junk(4))),
  },
  "a flood of openings": {
    instead: async ({ carrier }) => {
      for (let id = 2; ; id += 2)
        await carrier.write(encodeHeader(frameType.windowUpdate, frameFlag.syn, id % 0xffff_fffe, 0));
    },
  },
  "a flood of pings, whose answers it does not read": {
    instead: async ({ socket, carrier }) => {
      socket.pause();
      const pings = joined(
        ...Array.from({ length: 4096 }, (_, at) => encodeHeader(frameType.ping, frameFlag.syn, 0, at)),
      );
      for (;;) await carrier.write(pings);
    },
  },
  "no answer to anything": { onAgentPort: never },
  "an answer of the largest length": {
    onAgentPort: async (stream) => {
      await stream.read();
      await stream.write(ttrpcHeader({ length: 0x7fff_ffff, streamId: 1, type: ttrpcType.response, flags: 0 }));
    },
  },
  "an answer that stops in the middle": {
    onAgentPort: async (stream) => {
      await stream.read();
      await stream.write(
        joined(ttrpcHeader({ length: 100, streamId: 1, type: ttrpcType.response, flags: 0 }), junk(10)),
      );
      await stream.end();
    },
  },
  "answers to what was never asked": {
    onAgentPort: (stream) =>
      stream.write(ttrpcHeader({ length: 0, streamId: 4711, type: ttrpcType.response, flags: 0 })),
  },
  "a request where an answer belongs": {
    onAgentPort: (stream) => stream.write(ttrpcHeader({ length: 0, streamId: 1, type: ttrpcType.request, flags: 0 })),
  },
  "noise as its version": {
    onAgentPort: async (stream) => {
      await stream.read();
      await stream.write(
        joined(ttrpcHeader({ length: 64, streamId: 1, type: ttrpcType.response, flags: 0 }), junk(64)),
      );
    },
  },
  "an error that fills the terminal": {
    answers: {
      CreateContainer: () => Promise.reject(new Error(`\u001b[2J\u0007${"no\n\r\u009b31m".repeat(100_000)}`)),
    },
  },
  "noise as the answer to a create": { answers: { CreateContainer: async () => junk(4000) } },
  "no answer to a create": { answers: { CreateContainer: never } },
  "no answer to a start": { answers: { StartContainer: never } },
  "no end of the container, and no answer to a signal": { beforeExit: never, answers: { SignalProcess: never } },
  "an exit status beyond what there is": { status: 0x7fff_ffff },
  "a negative exit status": { status: -5 },
  "noise as the exit status": { answers: { WaitProcess: async () => junk(100) } },
  "absurd statistics": {
    beforeExit: never,
    answers: { StatsContainer: async () => absurdStats(), ListProcesses: async () => absurdProcesses() },
  },
  "a gibibyte of output": { beforeExit: flood("stdout") },
  "more output than any window allows": {
    beforeExit: ({ carrier }) => {
      // On the first stream that the host opened, the agent's own port.
      const length = 8 * mebibyte;
      return carrier.write(joined(encodeHeader(frameType.data, 0, 1, length), new Uint8Array(length)));
    },
  },
  "a gibibyte on its console": {
    beforeExit: async () => {
      const line = `\u001b[2J${"console ".repeat(100)}\n`;
      for (let sent = 0; sent < floodBytes / 8; sent += line.length * 64) process.stderr.write(line.repeat(64));
      await never();
    },
  },
};

/** Writes while it does not read what arrives. */
function flood(name: "stdout" | "stderr"): NonNullable<Lie["beforeExit"]> {
  return async ({ streams }) => {
    const stream = await streams[name];
    const part = new Uint8Array(mebibyte).fill(0x78);
    for (let sent = 0; sent < floodBytes; sent += part.length) await stream.write(part);
    await stream.end();
    await (await streams.stderr).end();
  };
}

function absurdStats(): Uint8Array {
  const most = 0xffff_ffff_ffff_ffffn;
  const memory = { usage: most, maxUsage: most, failcnt: most, limit: most };
  const many = Array.from({ length: 500 }, (_, at) => at);
  return StatsContainerResponse.encode(
    StatsContainerResponse.fromPartial({
      cgroupStats: {
        cpuStats: { cpuUsage: { totalUsage: most, percpuUsage: many.map(BigInt) } },
        memoryStats: { usage: memory, stats: new Map(many.map((at) => [`key\u001b[2J${at}`, most])) },
        blkioStats: {
          ioServiceBytesRecursive: many.map(() => ({ major: most, minor: most, op: '"}\n', value: most })),
        },
      },
      networkStats: many.map((at) => ({ name: `../../${at}\n`, rxBytes: most })),
    }),
  ).finish();
}

function absurdProcesses(): Uint8Array {
  return ListProcessesResponse.encode({
    processList: new TextEncoder().encode(`\u001b[2J${"[".repeat(mebibyte)}`),
  }).finish();
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
