import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { firstOwnUser, hasOwnUsers, ownUserOf } from "./own-user.ts";

describe("users for single processes", () => {
  it("are available if the kernel maps them", () => {
    assert.ok(hasOwnUsers("         0          0 4294967295\n"));
    assert.ok(hasOwnUsers("0 100000 1000\n1000 200000 4000000000\n"));
    assert.ok(!hasOwnUsers("         0     100000      65536\n"));
    assert.ok(!hasOwnUsers(`0 0 ${firstOwnUser + 100}\n`));
    assert.ok(!hasOwnUsers(""));
  });

  it("differ for any two pids", () => {
    assert.notEqual(ownUserOf(1), ownUserOf(2));
  });
});
