import { assert } from "../sys/engine/testing/assert.ts";
import { describe, it } from "../sys/engine/testing/suite.ts";
import { agentLog } from "./log.ts";

/** The messages that were written, and what writes more. */
function record() {
  const written: string[] = [];
  const lines = agentLog("info", (line) => written.push((JSON.parse(line) as { msg: string }).msg));
  return { ...lines, written };
}

describe("the agent's log", () => {
  it("writes a moment later when it is told to wait, in order, and all at once when something fails", async () => {
    const { log, wait, written } = record();
    log.info("zero");
    assert.deepEqual(written.splice(0), ["zero"]);
    wait();
    log.info("one");
    log.debug("none");
    log.warn("two");
    assert.deepEqual(written, []);
    log.error("three");
    assert.deepEqual(written, ["one", "two", "three"]);
    log.info("four");
    while (written.length < 4) await new Promise<void>((resolve) => setTimeout(() => resolve(), 10));
    assert.deepEqual(written, ["one", "two", "three", "four"]);
  });

  it("has a line's own time, however late it is written", () => {
    let line = "";
    const { log, wait, flush } = agentLog("info", (text) => {
      line = text;
    });
    wait();
    const before = Date.now();
    log.info("one");
    const after = Date.now();
    while (Date.now() <= after);
    flush();
    const at = Date.parse((JSON.parse(line) as { time: string }).time);
    assert.ok(before <= at && at <= after, line);
  });

  it("writes what waits when it is told to", () => {
    const { log, wait, flush, written } = record();
    wait();
    log.info("one");
    flush();
    flush();
    assert.deepEqual(written, ["one"]);
  });
});
