import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ByteStream } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { streamPair } from "../util/stream-pair.ts";
import { decodeUtf8, encodeUtf8 } from "../util/text.ts";
import { type DrainLimits, defaultDrainLimits, ProcessStdio, type StdioName } from "./stdio.ts";

/** Limits that a test reaches at once. */
const short: DrainLimits = { silenceMs: 1, relayMs: 1, bytes: 1024 };

/** The streams of a process, with the test at the far ends. */
class Ends {
  readonly stdio: ProcessStdio;
  readonly #guest = new Map<StdioName, ByteStream>();
  readonly #relay = new Map<StdioName, ByteStream>();

  constructor(terminal = false) {
    this.stdio = new ProcessStdio(terminal);
  }

  connectGuest(...names: StdioName[]): this {
    const streams: { [Name in StdioName]?: ByteStream } = {};
    for (const name of names) {
      const [ours, theirs] = streamPair();
      streams[name] = ours;
      this.#guest.set(name, theirs);
    }
    this.stdio.offerGuest(streams);
    return this;
  }

  connectRelay(name: StdioName, capacity?: number): ByteStream {
    const [ours, theirs] = streamPair(capacity === undefined ? {} : { capacity });
    this.stdio.checkRelay(name);
    this.stdio.offerRelay(name, ours);
    this.#relay.set(name, theirs);
    return theirs;
  }

  guest(name: StdioName): ByteStream {
    const stream = this.#guest.get(name);
    assert.ok(stream !== undefined);
    return stream;
  }
}

async function textOf(stream: ByteStream): Promise<string> {
  return decodeUtf8(await readAll(stream, 1 << 20));
}

describe("the streams of a process", () => {
  it("run as soon as both ends are connected, whichever comes first", async () => {
    const ends = new Ends();
    const early = ends.connectRelay("stdout");
    ends.connectGuest("stdin", "stdout", "stderr");
    const late = ends.connectRelay("stderr");
    await ends.guest("stdout").write(encodeUtf8("out"));
    await ends.guest("stdout").end();
    await ends.guest("stderr").write(encodeUtf8("err"));
    await ends.guest("stderr").end();
    assert.deepEqual(await Promise.all([textOf(early), textOf(late)]), ["out", "err"]);
    await ends.stdio.drain();
  });

  it("pass the end of the input on, and keep the output open", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const input = ends.connectRelay("stdin");
    const output = ends.connectRelay("stdout");
    await input.write(encodeUtf8("question"));
    await input.end();
    assert.equal(await textOf(ends.guest("stdin")), "question");
    await ends.guest("stdout").write(encodeUtf8("answer"));
    await ends.guest("stdout").end();
    assert.equal(await textOf(output), "answer");
    ends.stdio.close();
  });

  it("hold back a process whose reader is slow", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const reader = ends.connectRelay("stdout", 10);
    let taken = 0;
    const writing = (async () => {
      for (let piece = 0; piece < 100; piece++) {
        await ends.guest("stdout").write(new Uint8Array(65536));
        taken += 65536;
      }
      await ends.guest("stdout").end();
    })();
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(taken < 10 * 65536, String(taken));
    assert.equal((await readAll(reader, 1 << 24)).length, 100 * 65536);
    await writing;
    ends.stdio.close();
  });

  it("tell the process when nobody reads its output any more", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    ends.connectRelay("stdout").close();
    await ends.guest("stdout").write(encodeUtf8("lost"));
    assert.equal(await ends.guest("stdout").read(), undefined);
    await assert.rejects(ends.guest("stdout").write(encodeUtf8("more")), /broken pipe/);
    ends.stdio.close();
  });

  it("tell the relay when the process accepts no more input", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const input = ends.connectRelay("stdin");
    ends.guest("stdin").close();
    await input.write(encodeUtf8("unread"));
    assert.equal(await input.read(), undefined);
    ends.stdio.close();
  });

  it("are each connected once", () => {
    const ends = new Ends(true);
    ends.connectRelay("stdout");
    assert.throws(() => ends.connectRelay("stdout"), /already connected/);
    assert.throws(() => ends.connectRelay("stderr"), /there is no stderr/);
    ends.stdio.close();
    assert.throws(() => ends.connectRelay("stdin"), /has ended/);
  });

  it("close an end that connects after the process has ended", async () => {
    const ends = new Ends();
    ends.stdio.close();
    ends.connectGuest("stdin", "stdout", "stderr");
    assert.equal(await ends.guest("stdout").read(), undefined);
    await assert.rejects(ends.guest("stdout").write(encodeUtf8("x")), /broken pipe/);
  });
});

describe("draining", () => {
  it("is over when every byte has reached the relay", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const output = ends.connectRelay("stdout");
    const errors = ends.connectRelay("stderr");
    await ends
      .guest("stdout")
      .write(new Uint8Array(300_000).fill(1))
      .catch(() => {});
    await ends.guest("stdout").end();
    await ends.guest("stderr").end();
    const read = Promise.all([readAll(output, 1 << 20), readAll(errors, 1)]);
    await ends.stdio.drain();
    assert.equal((await read)[0].length, 300_000);
  });

  it("does not wait for another process that has the stream open", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const output = ends.connectRelay("stdout");
    ends.connectRelay("stderr");
    await ends.guest("stdout").write(encodeUtf8("mine"));
    assert.equal(decodeUtf8((await output.read()) ?? new Uint8Array()), "mine");
    await ends.stdio.drain(short);
    assert.equal(await output.read(), undefined);
  });

  it("does not wait for a relay that never connects", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    await ends.stdio.drain(short);
  });

  it("ends for a guest that never stops sending", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout", "stderr");
    const output = ends.connectRelay("stdout");
    const reading = readAll(output, 1 << 24);
    let flooding = true;
    const flood = (async () => {
      while (flooding) await ends.guest("stdout").write(new Uint8Array(100));
    })().catch(() => {});
    await ends.stdio.drain({ ...defaultDrainLimits, relayMs: 1, bytes: 10_000 });
    flooding = false;
    assert.ok((await reading).length < 1 << 20);
    await flood;
  });

  it("waits for a slow reader", async () => {
    const ends = new Ends().connectGuest("stdin", "stdout");
    const output = ends.connectRelay("stdout", 10);
    void ends
      .guest("stdout")
      .write(new Uint8Array(1000))
      .catch(() => {});
    await ends.guest("stdout").end();
    let drained = false;
    const drain = ends.stdio.drain(short).then(() => {
      drained = true;
    });
    for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(!drained);
    assert.equal((await readAll(output, 1 << 20)).length, 1000);
    await drain;
  });
});
