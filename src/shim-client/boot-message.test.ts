import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError, KumiteError, SystemError } from "../util/errors.ts";
import { streamPair } from "../util/stream-pair.ts";
import { encodeUtf8 } from "../util/text.ts";
import { awaitReady, failureLine, readyLine } from "./boot-message.ts";

async function heard(line: Uint8Array | undefined): Promise<"ready" | undefined> {
  const [ours, theirs] = streamPair();
  if (line !== undefined) await theirs.write(line);
  await theirs.end();
  return awaitReady(ours);
}

describe("the boot message", () => {
  it("says that a process is ready", async () => {
    assert.equal(await heard(readyLine()), "ready");
  });

  it("carries a complete error: code, phase, hint, console and causes", async () => {
    const sent = new KumiteError("hypervisor/start-failed", "qemu ended", {
      phase: "hypervisor.start",
      hint: "look",
      data: { console: ["one", "two"], elapsedMs: 12 },
      cause: new SystemError("EACCES", "open", "/dev/kvm"),
    });
    await assert.rejects(heard(failureLine(sent)), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/start-failed"));
      assert.deepEqual([error.message, error.phase, error.hint], ["qemu ended", "hypervisor.start", "look"]);
      assert.deepEqual(error.data, { console: ["one", "two"], elapsedMs: 12 });
      assert.equal((error.cause as Error).message, "open /dev/kvm: permission denied");
      return true;
    });
  });

  it("carries system and internal errors too", async () => {
    await assert.rejects(heard(failureLine(new SystemError("ENOENT", "open", "/x"))), { code: "system/failed" });
    await assert.rejects(heard(failureLine(new TypeError("x"))), { code: "internal", message: "x" });
  });

  it("is missing if the process dies before it", async () => {
    assert.equal(await heard(undefined), undefined);
  });

  it("is recognised by its form", async () => {
    for (const line of ["{}\n", "nonsense\n", '{"error":{"code":"made/up","message":"x"}}\n', "null\n"]) {
      await assert.rejects(heard(encodeUtf8(line)), { code: "protocol/violation" }, line);
    }
  });
});
