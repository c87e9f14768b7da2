import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLogger, jsonSink, type LogLevel, textSink } from "./log.ts";

describe("log lines", () => {
  it("are JSON objects with the names that engines look for", () => {
    const { lines, log } = logger("debug", jsonSink);
    log.error("no such bundle", { container: "web", ms: 3, big: 1n });
    assert.deepEqual(
      lines.map((line) => JSON.parse(line)),
      [{ level: "error", msg: "no such bundle", time: "1970-01-01T00:00:01.000Z", container: "web", ms: 3, big: "1" }],
    );
    assert.ok(lines[0]?.endsWith("\n"));
  });

  it("cannot have their level, message or time replaced by a field", () => {
    const { lines, log } = logger("debug", jsonSink);
    log.warn("odd", { msg: "fine", level: "info", time: "never" });
    assert.deepEqual(JSON.parse(lines[0] ?? ""), { level: "warning", msg: "odd", time: "1970-01-01T00:00:01.000Z" });
  });

  it("are key=value pairs on one line, without control characters", () => {
    const { lines, log } = logger("debug", textSink);
    log.info("guest says\n\u001b[2Jhi", { sandbox: "a b", phase: "vm.start", missing: undefined });
    assert.deepEqual(lines, [
      'time=1970-01-01T00:00:01.000Z level=info msg="guest says\\nhi" sandbox="a b" phase=vm.start\n',
    ]);
  });

  it("are written down to the requested level", () => {
    const { lines, log } = logger("warn", textSink);
    log.error("1");
    log.warn("2");
    log.info("3");
    log.debug("4");
    assert.equal(lines.length, 2);
  });

  it("contain the fields of the logger they were made with", () => {
    const { lines, log } = logger("info", textSink);
    log.with({ sandbox: "web" }).with({ container: "c1" }).info("started", { ms: 5 });
    assert.match(lines[0] ?? "", / sandbox=web container=c1 ms=5\n$/);
  });
});

function logger(level: LogLevel, sink: typeof textSink) {
  const lines: string[] = [];
  return { lines, log: createLogger({ sink: sink((line) => lines.push(line)), now: () => 1000, level }) };
}
