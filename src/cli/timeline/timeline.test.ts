import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";
import { parseShimTimeline, phasesOf } from "./phases.ts";
import { timelineHtml, timelineSvg } from "./picture.ts";
import { timelineText } from "./text.ts";

const command = { bundle: 5, claimed: 20, spawned: 30, ready: 130, created: 1000, running: 1020 };
const shim = {
  nowMs: 965,
  marks: { shim: 60, request: 90, share: 200, accelerator: 95, virtiofsd: 100, qemu: 150, agent: 900, container: 950 },
  guest: { nowMs: 800, marks: { kernel: 600, drivers: 700 } },
};

describe("the time-line of a start", () => {
  it("has verb, shim and guest on one clock, with concurrent phases side by side", () => {
    const phases = phasesOf(command, parseShimTimeline(JSON.stringify(shim)), 1000);
    const of = (track: string) =>
      phases.filter((phase) => phase.track === track).map(({ beginMs, endMs }) => [beginMs, endMs]);
    assert.deepEqual(of("kumite").slice(0, 3), [
      [0, 5],
      [5, 20],
      [20, 30],
    ]);
    // The shim began 35 ms after the command, the guest's kernel after 200 ms.
    assert.deepEqual(of("shim"), [
      [35, 95],
      [95, 125],
      [935, 985],
    ]);
    assert.deepEqual(of("files"), [[125, 235]]);
    assert.deepEqual(of("VM"), [
      [125, 130],
      [130, 135],
      [135, 185],
      [185, 935],
    ]);
    assert.deepEqual(of("guest"), [
      [200, 800],
      [800, 900],
    ]);
  });

  it("has only the verb's part if the shim has none", () => {
    assert.equal(parseShimTimeline('{"nowMs":"x"}'), undefined);
    assert.deepEqual(
      phasesOf({ bundle: 5 }, undefined, 0).map(({ name }) => name),
      ["reads the bundle"],
    );
  });

  it("is printed with a bar for each phase", () => {
    const lines = timelineText(phasesOf(command, shim, 1000)).split("\n");
    assert.match(lines[4] ?? "", /^kumite {3}waits for the container +870 ms \| {5}#{34} *\|$/);
    assert.match(lines.at(-2) ?? "", /1020 ms in total$/);
  });

  it("is drawn as well-formed XML, whatever the container is called", () => {
    const svg = timelineSvg('start of <a & "b">', phasesOf(command, shim, 1000));
    const parse = "import sys, xml.dom.minidom as d; print(len(d.parse(sys.stdin).getElementsByTagName('rect')))";
    const bars = phasesOf(command, shim, 1000).length;
    assert.equal(execFileSync("python3", ["-c", parse], { input: svg, encoding: "utf8" }).trim(), String(bars + 1));
    assert.match(timelineHtml("one", []), /^<!doctype html>/);
  });
});
