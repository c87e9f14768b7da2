import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { RingFile, readRingFile } from "./ring-file.ts";

describe("a ring file", () => {
  const os = testOs();
  let directory: string;
  let path: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-ring-"));
    path = join(directory, "console.log");
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const fail = (error: unknown): never => {
    throw error;
  };

  it("has every line in order while there is room", async () => {
    const ring = new RingFile(os, path, { maxBytes: 4096, onFailure: fail });
    ring.add("first");
    ring.add("second");
    await ring.flushed();
    ring.add("third");
    await ring.flushed();
    assert.equal(await readRingFile(os, path), "first\nsecond\nthird\n");
  });

  it("keeps the last lines in bounded space, however many come", async () => {
    const ring = new RingFile(os, path, { maxBytes: 4096, onFailure: fail });
    for (let line = 0; line < 2000; line++) {
      ring.add(`line ${line}`);
      if (line % 10 === 0) await ring.flushed();
    }
    await ring.flushed();
    const lines = (await readRingFile(os, path)).trimEnd().split("\n");
    assert.ok(lines.length > 150, `${lines.length} lines`);
    assert.deepEqual(
      lines,
      Array.from({ length: lines.length }, (_, i) => `line ${2000 - lines.length + i}`),
    );
    const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
    assert.ok(sizes.length === 2 && sizes.every((size) => size <= 2048), String(sizes));
  });

  it("says how many lines were lost in a flood, instead of keeping them in memory", async () => {
    const ring = new RingFile(os, path, { maxBytes: 1024 * 1024, onFailure: fail });
    for (let line = 0; line < 10_000; line++) ring.add(`line ${line} ${"x".repeat(90)}`);
    await ring.flushed();
    const lines = (await readRingFile(os, path)).trimEnd().split("\n");
    const dropped = Number(/^\((\d+) lines are missing/.exec(lines[0] ?? "")?.[1]);
    assert.equal(dropped + lines.length - 1, 10_000);
    assert.match(lines.at(-1) ?? "", /^line 9999 /);
  });

  it("reports once that its file cannot be written, and continues", async () => {
    const told: unknown[] = [];
    const ring = new RingFile(os, join(directory, "absent", "file"), {
      maxBytes: 4096,
      onFailure: (error) => told.push(error),
    });
    for (const line of ["one", "two"]) {
      ring.add(line);
      await ring.flushed();
    }
    assert.equal(told.length, 1);
    assert.equal(await readRingFile(os, join(directory, "absent", "file")), "");
  });
});
