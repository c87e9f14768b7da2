import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { toldError } from "./told-error.ts";

const refused = new SystemError("EACCES", "mkdir", "/sys/fs/cgroup/cpu/kumite");

describe("an error for the user", () => {
  it("has the verb as its phase if it has none of its own", () => {
    assert.equal(told(new KumiteError("timeout", "it took too long")).phase, "create");
    assert.equal(told(new KumiteError("timeout", "it took too long", { phase: "agent.ready" })).phase, "agent.ready");
    assert.equal(told(refused).phase, "create");
  });

  it("refers to the check of permissions if the host refused something anywhere in the chain", () => {
    const inner = new KumiteError("cgroup/failed", "the cgroup cannot be made", { cause: refused });
    for (const error of [refused, inner, new KumiteError("shim/start-failed", "not created", { cause: inner })]) {
      assert.match(told(error).hint ?? "", /`kumite check`/);
    }
    const missing = new SystemError("ENOENT", "open", "/nowhere");
    assert.equal(told(new KumiteError("cgroup/failed", "the cgroup is gone", { cause: missing })).hint, undefined);
  });

  it("prefers its own hint, then its causes', to the general one for its code", () => {
    const knowing = new KumiteError("cgroup/failed", "inner", { hint: "mount one", cause: refused });
    const outer = new KumiteError("usage/invalid", "outer", { cause: knowing });
    assert.equal(told(outer).hint, "mount one");
    assert.equal(told(new KumiteError("usage/invalid", "outer", { hint: "its own", cause: knowing })).hint, "its own");
    assert.equal(told(new KumiteError("usage/invalid", "outer")).hint, "see `kumite create --help`");
    const unread = toldError(new KumiteError("usage/invalid", "outer"), "arguments");
    assert.equal((unread as KumiteError).hint, "see `kumite help`");
  });

  it("is reported as a limit of the host, not as an internal error, when memory ran out", () => {
    const refused = Object.assign(new Error("out of memory"), { name: "InternalError" });
    for (const error of [null, refused]) {
      assert.equal(told(error).message, "out of memory");
      assert.match(told(error).hint ?? "", /ulimit -v/);
    }
  });

  it("is unchanged if it is not one of ours", () => {
    const strange = new TypeError("x is not a function");
    assert.equal(toldError(strange, "create"), strange);
  });
});

function told(error: unknown): KumiteError {
  const answer = toldError(error, "create");
  assert.ok(answer instanceof KumiteError);
  return answer;
}
