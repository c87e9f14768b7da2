import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { logLines } from "./log-lines.ts";

describe("log lines of a sandbox", () => {
  it("are in order of time, from all processes", () => {
    const console = [
      "2026-11-30T10:00:00.100Z [    0.000000] Linux version 6.1.0",
      '2026-11-30T10:00:00.300Z {"level":"info","msg":"the agent","time":"1970-01-01T00:00:00.400Z"}',
      "(12 lines are missing: they came faster than they could be written)",
      "2026-11-30T10:00:00.500Z Kernel panic",
    ].join("\n");
    const shim = [
      'time=2026-11-30T10:00:00.200Z level=info msg="starting qemu" sandbox=one',
      '{"level":"info","msg":"json","time":"2026-11-30T10:00:00.400Z"}',
      "    at a line of a stack",
    ].join("\n");
    assert.deepEqual(
      logLines({ console, shim }).map(({ source, text }) => [source, text.slice(0, 28)]),
      [
        ["console", "[    0.000000] Linux version"],
        ["shim", 'level=info msg="starting qem'],
        ["agent", '{"level":"info","msg":"the a'],
        ["console", "(12 lines are missing: they "],
        ["shim", '{"level":"info","msg":"json"'],
        ["shim", "    at a line of a stack"],
        ["console", "Kernel panic"],
      ],
    );
  });

  it("contain nothing that controls a terminal", () => {
    const [line] = logLines({ console: "2026-11-30T10:00:00.100Z \u001b[2Jboo\u0007\r\n", shim: "" });
    assert.deepEqual(line, { time: "2026-11-30T10:00:00.100Z", source: "console", text: "boo" });
  });
});
