/** yamux in both roles: a session with its own streams and the peer's, whose data is read. */
import { encodeHeader, frameFlag, frameType } from "../../src/protocol/yamux/frame.ts";
import { YamuxSession } from "../../src/protocol/yamux/session.ts";
import type { ByteStream } from "../../src/sys/os.ts";
import { encodeUtf8 } from "../../src/util/text.ts";
import { feed, soon } from "../feed.ts";
import { must, mustBeRefusal, type Target } from "../target.ts";

export const yamux: Target = {
  name: "yamux",
  seeds: () => [
    message(frame(frameType.data, frameFlag.syn, 1, "hello"), frame(frameType.data, frameFlag.fin, 1, "")),
    message(frame(frameType.data, frameFlag.syn, 2, "hello"), encodeHeader(frameType.windowUpdate, 0, 2, 1000)),
    message(encodeHeader(frameType.ping, frameFlag.syn, 0, 7), encodeHeader(frameType.ping, frameFlag.ack, 0, 1)),
    message(encodeHeader(frameType.windowUpdate, frameFlag.ack, 1, 4096), frame(frameType.data, 0, 1, "answer")),
    message(encodeHeader(frameType.windowUpdate, frameFlag.rst, 1, 0), encodeHeader(frameType.goAway, 0, 0, 0)),
  ],
  async run(input) {
    const role = (input[0] ?? 0) % 2 === 0 ? "client" : "server";
    const { stream, done } = feed(input);
    const session = new YamuxSession(stream, { role, acceptStreams: true, maxStreams: 16 });
    const reading = [readAll(session.open()), acceptAll(session)];
    const reason = await soon("the end of the session", session.closed);
    mustBeRefusal(reason, "protocol/closed", "protocol/violation");
    await soon("the end of its streams", Promise.all(reading));
    const answered = await soon("the end of the connection", done);
    must(answered <= input.length * 12 + 4096, `${answered} bytes in answer to ${input.length}`);
  },
};

function frame(type: number, flags: number, streamId: number, text: string): Uint8Array {
  const data = encodeUtf8(text);
  return Buffer.concat([encodeHeader(type, flags, streamId, data.length), data]);
}

/** The first byte selects the role and the pieces. */
function message(...frames: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat([Uint8Array.of(4), ...frames]));
}

async function acceptAll(session: YamuxSession): Promise<void> {
  const reading: Promise<void>[] = [];
  for (let stream = await session.accept(); stream !== undefined; stream = await session.accept()) {
    reading.push(readAll(stream));
  }
  await Promise.all(reading);
}

async function readAll(stream: ByteStream): Promise<void> {
  try {
    await stream.write(encodeUtf8("words"));
    for (let chunk = await stream.read(); chunk !== undefined; chunk = await stream.read());
  } catch {
    // The peer ended the session.
  }
}
