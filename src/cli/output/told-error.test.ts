import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { toldError } from "./told-error.ts";

const refused = new SystemError("EACCES", "mkdir", "/sys/fs/cgroup/cpu/kumite");

describe("an error as it is told", () => {
  it("has the verb for its phase where it names none, and keeps its own", () => {
    assert.equal(told(new KumiteError("timeout", "it took too long")).phase, "create");
    assert.equal(told(new KumiteError("timeout", "it took too long", { phase: "agent.ready" })).phase, "agent.ready");
    assert.equal(told(refused).phase, "create");
  });

  it("sends who was refused by the host to the check of rights, wherever in the chain the refusal is", () => {
    const inner = new KumiteError("cgroup/failed", "the cgroup cannot be made", { cause: refused });
    for (const error of [refused, inner, new KumiteError("shim/start-failed", "not created", { cause: inner })]) {
      assert.match(told(error).hint ?? "", /`kumite check`/);
    }
    const missing = new SystemError("ENOENT", "open", "/nowhere");
    assert.equal(told(new KumiteError("cgroup/failed", "the cgroup is gone", { cause: missing })).hint, undefined);
  });

  it("prefers what the error says itself, then what its causes say, to what is said of its code", () => {
    const knowing = new KumiteError("cgroup/failed", "inner", { hint: "mount one", cause: refused });
    const outer = new KumiteError("usage/invalid", "outer", { cause: knowing });
    assert.equal(told(outer).hint, "mount one");
    assert.equal(told(new KumiteError("usage/invalid", "outer", { hint: "its own", cause: knowing })).hint, "its own");
    assert.equal(told(new KumiteError("usage/invalid", "outer")).hint, "see `kumite create --help`");
    const unread = toldError(new KumiteError("usage/invalid", "outer"), "arguments");
    assert.equal((unread as KumiteError).hint, "see `kumite help`");
  });

  it("is the host's limit, and no fault of the program, when it has no memory", () => {
    const refused = Object.assign(new Error("out of memory"), { name: "InternalError" });
    for (const error of [null, refused]) {
      assert.equal(told(error).message, "out of memory");
      assert.match(told(error).hint ?? "", /ulimit -v/);
    }
  });

  it("is left as it is where it is none of ours", () => {
    const strange = new TypeError("x is not a function");
    assert.equal(toldError(strange, "create"), strange);
  });
});

function told(error: unknown): KumiteError {
  const answer = toldError(error, "create");
  assert.ok(answer instanceof KumiteError);
  return answer;
}
