import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { causesOf, KumiteError, messageWithCauses, SystemError } from "./errors.ts";
import { hostHint, withHostHint } from "./host-hint.ts";

const full = new SystemError("ENOSPC", "mkdir", "/run/kumite/web");
const wrapped = new KumiteError("storage/failed", "it cannot be shared", { phase: "storage.share", cause: full });

describe("an error of the host's kernel", () => {
  it("has a hint if it shows what is wrong with the host, however deep in the chain it is", () => {
    assert.match(hostHint(full) ?? "", /^free space/);
    assert.match(hostHint(new Error("outer", { cause: wrapped })) ?? "", /^free space/);
    assert.match(hostHint(new SystemError("EROFS", "mkdir", "/sys/fs/cgroup/cpu/kumite")) ?? "", /`kumite check`/);
    assert.equal(hostHint(new SystemError("ENOENT", "open", "/nowhere")), undefined);
    assert.equal(hostHint("no error at all"), undefined);
  });

  it("adds the hint to an error that leaves the process, which is otherwise unchanged", () => {
    const told = withHostHint(wrapped) as KumiteError;
    assert.deepEqual(
      [told.code, told.message, told.phase, told.cause],
      [wrapped.code, wrapped.message, wrapped.phase, full],
    );
    assert.match(told.hint ?? "", /^free space/);
    const bare = withHostHint(full) as KumiteError;
    assert.deepEqual([bare.code, bare.message], ["system/failed", full.message]);
  });

  it("does not replace an existing hint", () => {
    const knowing = new KumiteError("storage/failed", "outer", {
      cause: new KumiteError("storage/failed", "inner", { hint: "use another directory", cause: full }),
    });
    assert.equal(withHostHint(knowing), knowing);
  });

  it("is left out of a log line if it only repeats the message", () => {
    assert.equal(messageWithCauses(wrapped), `it cannot be shared: ${full.message}`);
    const repeating = new KumiteError("storage/failed", `why: ${full.message}`, { cause: full });
    assert.deepEqual(causesOf(repeating), []);
    assert.equal(messageWithCauses(repeating), repeating.message);
  });
});
