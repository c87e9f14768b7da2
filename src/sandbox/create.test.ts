import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Os } from "../sys/os.ts";
import { SystemError } from "../util/errors.ts";
import { createSandbox } from "./create.ts";
import { codeAndMessage, SandboxPlace } from "./sandbox.testing.ts";
import { stopSandbox } from "./stop.ts";

const never = new AbortController().signal;

describe("a create that fails", () => {
  let place: SandboxPlace;

  before(async () => {
    place = await SandboxPlace.open();
  });
  after(() => place.close());

  /** An `Os` whose call number `at`, among those that make something, fails. */
  function failingAt(at: number): { readonly os: Os; readonly calls: () => number } {
    let calls = 0;
    const mortal = <Arguments extends unknown[], Result>(call: (...words: Arguments) => Promise<Result>) => {
      return async (...words: Arguments): Promise<Result> => {
        calls += 1;
        if (calls === at) throw new SystemError("ENOSPC", "write");
        return call(...words);
      };
    };
    const { files, mounts, processes } = place.os;
    const failing: Os = {
      ...place.os,
      files: { ...files, replace: mortal(files.replace), makeDir: mortal(files.makeDir), write: mortal(files.write) },
      mounts: { ...mounts, mount: mortal(mounts.mount) },
      processes: { ...processes, spawn: mortal(processes.spawn) },
    };
    return { os: failing, calls: () => calls };
  }

  it("leaves nothing but the claim, wherever it fails", async () => {
    let finished = false;
    for (let at = 1; !finished; at++) {
      const { os, calls } = failingAt(at);
      const { sandbox, document, relay } = await place.prepare(os);
      const { id } = sandbox.host;
      const foreign = (await place.remains()).length;
      try {
        await createSandbox(sandbox, { id, bundle: place.directory, document, relay }, never);
        finished = calls() < at;
      } catch (error) {
        assert.ok(error instanceof Error);
        await sandbox.ended;
        assert.equal((await place.remains()).length, foreign, `failed at call ${at}: ${await place.remains()}`);
      }
      await place.remove(sandbox);
    }
  });

  it("leaves nothing when its caller disconnects at any time", async () => {
    let finished = false;
    for (let mark = 0; !finished; mark++) {
      const { sandbox, document, relay } = await place.prepare();
      const { id, timeline } = sandbox.host;
      const caller = new AbortController();
      const marked = timeline.mark.bind(timeline);
      let count = 0;
      timeline.mark = (phase) => {
        if (count++ === mark) caller.abort();
        return marked(phase);
      };
      const creating = createSandbox(sandbox, { id, bundle: place.directory, document, relay }, caller.signal);
      if (
        await creating.then(
          () => true,
          () => false,
        )
      ) {
        finished = !caller.signal.aborted;
        assert.ok(finished, `went on after mark ${mark}`);
      } else await sandbox.ended;
      await place.remove(sandbox);
      assert.deepEqual(await place.remains(), []);
    }
  });

  it("reports invalid input before anything is created", async () => {
    const { sandbox, document, relay } = await place.prepare();
    const { id } = sandbox.host;
    document.mounts?.push({ destination: "/x", type: "bind", source: "/no/such/source" });
    const creating = createSandbox(sandbox, { id, bundle: place.directory, document, relay }, never);
    assert.match(
      await codeAndMessage(creating),
      /^storage\/failed: .*mounts\[7\].source: \/no\/such\/source cannot be mounted/,
    );
    assert.equal(sandbox.resources, undefined);
  });

  it("names an executable that does not exist", async () => {
    const { sandbox, document, relay } = await place.prepare();
    const { id } = sandbox.host;
    document.process.args = ["/bin/no-such-program"];
    const creating = createSandbox(sandbox, { id, bundle: place.directory, document, relay }, never);
    assert.match(await codeAndMessage(creating), /^process\/executable-not-found: .*\/bin\/no-such-program/);
    await sandbox.ended;
  });

  it("is the last of its sandbox", async () => {
    const { sandbox, document, relay } = await place.prepare();
    const { id } = sandbox.host;
    await stopSandbox(sandbox);
    const creating = createSandbox(sandbox, { id, bundle: place.directory, document, relay }, never);
    assert.match(await codeAndMessage(creating), /^container\/wrong-state: .* has already been created/);
  });
});
