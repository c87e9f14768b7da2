import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { findKeptLogs, keepLogs } from "./kept-logs.ts";

describe("logs of a sandbox that failed", () => {
  const os = testOs();
  let place: string;
  let into: string;
  beforeEach(() => {
    place = mkdtempSync(join(tmpdir(), "kumite-kept-"));
    into = join(place, "kept");
  });
  afterEach(() => rmSync(place, { recursive: true }));

  /** The directory of a sandbox that has written these logs. */
  function said(id: string, texts: Readonly<Record<string, string>>): string {
    const directory = join(place, id);
    mkdirSync(directory);
    for (const [name, text] of Object.entries(texts)) writeFileSync(join(directory, name), text);
    return directory;
  }

  const keep = (root: string, id: string, directory: string, reason = "it was not created") =>
    keepLogs(os, { root, id, directory, reason, into });

  it("are found by root and id after its directory is gone", async () => {
    const directory = said("one", { "console.log": "new\n", "console.log.1": "old\n", "shim.log": "shim\n" });
    await keep("/r", "one", directory);
    rmSync(directory, { recursive: true });
    const kept = await findKeptLogs(os, "/r", "one", into);
    assert.equal(kept?.reason, "it was not created");
    assert.equal(readFileSync(kept.paths.console, "utf8"), "new\n");
    assert.equal(readFileSync(`${kept.paths.console}.1`, "utf8"), "old\n");
    assert.equal(readFileSync(kept.paths.log, "utf8"), "shim\n");
    assert.equal(await findKeptLogs(os, "/other", "one", into), undefined);
  });

  it("are replaced by those of a later one with the same id", async () => {
    await keep("/r", "one", said("first", { "shim.log": "first\n" }));
    await keep("/r", "one", said("second", { "console.log": "second\n" }), "its shim died");
    const kept = await findKeptLogs(os, "/r", "one", into);
    assert.equal(kept?.reason, "its shim died");
    assert.equal(await os.files.status(kept.paths.log), undefined);
  });

  it("are the ends of large files, starting with a complete line", async () => {
    const line = `${"x".repeat(99)}\n`;
    await keep("/r", "one", said("one", { "shim.log": line.repeat(10_000) }));
    const kept = await findKeptLogs(os, "/r", "one", into);
    const text = readFileSync(kept?.paths.log ?? "", "utf8");
    assert.ok(text.length <= 256 * 1024 && text.length > 255 * 1024, String(text.length));
    assert.equal(text.replaceAll(line, ""), "");
  });

  it("are kept for the sixteen latest failures, and only if they are not empty", async () => {
    for (let i = 0; i < 20; i++) {
      await keep("/r", `c${i}`, said(`c${i}`, { "shim.log": "x\n" }));
      const newest = await findKeptLogs(os, "/r", `c${i}`, into);
      const at = 1_000_000 + i;
      utimesSync(newest?.paths.log.replace(/\/[^/]+$/, "") ?? "", at, at);
    }
    await keep("/r", "silent", said("silent", {}));
    assert.equal(readdirSync(into).length, 16);
    assert.equal(await findKeptLogs(os, "/r", "c0", into), undefined);
    assert.equal((await findKeptLogs(os, "/r", "c19", into))?.id, "c19");
    assert.equal(await findKeptLogs(os, "/r", "silent", into), undefined);
  });
});
