import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BootRest } from "./rest.ts";

describe("the rest of a boot", () => {
  it("is done once, however many callers need it", async () => {
    let times = 0;
    const rest = new BootRest(() => {
      times += 1;
    });
    rest.finishSoon();
    rest.finishSoon();
    assert.equal(times, 0, "an answer goes first");
    rest.finish();
    rest.finish();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.equal(times, 1);
  });

  it("is done without a caller once the host has its first answer", async () => {
    const done = new Promise<string>((resolve) => new BootRest(() => resolve("done")).finishSoon());
    assert.equal(await done, "done");
  });
});
