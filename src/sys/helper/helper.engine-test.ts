/** `kumite-helper` as Node sees it, run from the executable of these tests. */
import { ByteReader } from "../../util/byte-reader.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { output, scratch } from "../contract/scratch.ts";
import { engineOs } from "../engine/engine-os.ts";
import { assert } from "../engine/testing/assert.ts";
import { describe, it } from "../engine/testing/suite.ts";
import type { ByteStream, ChildProcess } from "../os.ts";
import { type HelperCall, type HelperResponse, helperDescriptor, maxLineBytes } from "./protocol.ts";

const os = engineOs();

/** Waits for one answer at a time, in order of arrival. */
class Helper {
  readonly child: ChildProcess;
  readonly stream: ByteStream;
  readonly #reader: ByteReader;
  #id = 0;

  private constructor(child: ChildProcess, stream: ByteStream) {
    this.child = child;
    this.stream = stream;
    this.#reader = new ByteReader(stream);
  }

  static async start(): Promise<Helper> {
    const child = await os.processes.spawn({
      path: os.self.executable,
      argv: ["kumite-helper"],
      env: {},
      descriptors: { [helperDescriptor]: { kind: "stream" } },
    });
    return new Helper(child, child.streams.get(helperDescriptor) as ByteStream);
  }

  async send(call: HelperCall): Promise<number> {
    this.#id += 1;
    await this.stream.write(encodeUtf8(`${JSON.stringify({ id: this.#id, ...call })}\n`));
    return this.#id;
  }

  async answer(): Promise<HelperResponse> {
    return JSON.parse((await this.#reader.readLine(maxLineBytes)) ?? "null") as HelperResponse;
  }

  async call(call: HelperCall): Promise<HelperResponse> {
    await this.send(call);
    return this.answer();
  }

  async end(): Promise<unknown> {
    this.stream.close();
    return this.child.exited;
  }
}

describe("the helper", () => {
  it("mounts, unmounts, and reports failures with call and subject", async () => {
    await using dir = await scratch(os);
    const helper = await Helper.start();
    const request = { target: dir.path, type: "tmpfs", source: "helper", flags: ["nosuid"] };
    assert.deepEqual(await helper.call({ kind: "mount", request }), { id: 1, ok: true, value: null });
    assert.ok((await os.mounts.table()).some(({ target, source }) => target === dir.path && source === "helper"));
    assert.deepEqual(await helper.call({ kind: "unmount", target: dir.path, lazy: false }), {
      id: 2,
      ok: true,
      value: null,
    });
    assert.ok(!(await os.mounts.table()).some(({ target }) => target === dir.path));
    const error = { errno: "ENOENT", call: "mount", subject: "/nowhere" };
    assert.deepEqual(await helper.call({ kind: "mount", request: { ...request, target: "/nowhere" } }), {
      id: 3,
      ok: false,
      error,
    });
    assert.deepEqual(await helper.end(), { kind: "exited", status: 0 });
  });

  it("serves other calls while a lock is waited for, which can be cancelled", async () => {
    await using dir = await scratch(os);
    const path = `${dir.path}/lock`;
    const lock = await os.files.lock(path);
    const helper = await Helper.start();
    const waiting = await helper.send({ kind: "lock", path });
    const signal: HelperCall = { kind: "signal", process: { pid: os.self.pid, startTicks: 1 }, signal: 9 };
    assert.deepEqual(await helper.call(signal), { id: 2, ok: true, value: false });
    await helper.send({ kind: "cancel", request: waiting });
    const answers = [await helper.answer(), await helper.answer()].sort((a, b) => a.id - b.id);
    assert.deepEqual(answers, [
      { id: waiting, ok: false, error: { errno: "ECANCELED", call: "wait" } },
      { id: 3, ok: true, value: null },
    ]);
    await lock[Symbol.asyncDispose]();
    const got = await helper.call({ kind: "lock", path });
    assert.ok(got.ok && typeof got.value === "number");
    const held = 'flock -n "$1" echo free || echo held';
    assert.equal(await output(os, held, { args: [path] }), "held");
    const error = { errno: "EINVAL", call: "unlock", subject: "999" };
    assert.deepEqual(await helper.call({ kind: "unlock", handle: 999 }), { id: 5, ok: false, error });
    await helper.end();
    assert.equal(await output(os, held, { args: [path] }), "free");
  });

  it("reports when a process is gone", async () => {
    const helper = await Helper.start();
    const sleep = await os.processes.spawn({ path: "/bin/sleep", argv: ["sleep", "1000"], env: {}, descriptors: {} });
    const process = { pid: sleep.pid, startTicks: sleep.startTicks };
    const waiting = await helper.send({ kind: "waitGone", process });
    assert.deepEqual(await helper.call({ kind: "signal", process, signal: 9 }), { id: 2, ok: true, value: true });
    assert.deepEqual(await helper.answer(), { id: waiting, ok: true, value: null });
    await sleep.exited;
    await helper.end();
  });

  it("exits with status 2 on an invalid line, and on one that never ends", async () => {
    for (const line of ["nonsense\n", '{"id":1,"kind":"exec"}\n', "x".repeat(maxLineBytes + 1)]) {
      const helper = await Helper.start();
      await helper.stream.write(encodeUtf8(line));
      assert.deepEqual(await helper.child.exited, { kind: "exited", status: 2 });
      helper.stream.close();
    }
  });
});
