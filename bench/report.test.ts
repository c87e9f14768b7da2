import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { atMost } from "./figures.ts";
import { table } from "./report.ts";

describe("the table of a benchmark", () => {
  const shown = table({
    boot: {
      figures: [{ name: "a start", unit: "ms", samples: [30, 10, 20] }],
      verdicts: [atMost("a start is fast", 20, 15, "ms"), atMost("a ratio", 1.5, 1.6, "ratio")],
      timeline: { agent: 12.4, qemu: 3 },
      notes: ["quiet"],
    },
  });

  it("has minimum, median and maximum of each figure", () => assert.match(shown, /a start +10 +20 +30 +ms/));

  it("shows phases in chronological order", () => assert.match(shown, /phases: qemu 3, agent 12\n/));

  it("marks targets as reached or missed, with the limit", () => {
    assert.match(shown, /MISSED +a start is fast +20 +\(15\) +ms/);
    assert.match(shown, /reached +a ratio +1\.50 +\(1\.60\)\n/);
  });
});
