import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type CpioEntry, cpioArchive } from "./cpio.ts";

const entries: readonly CpioEntry[] = [
  { kind: "directory", path: "bin", mode: 0o1777 },
  { kind: "file", path: "bin/odd", mode: 0o750, content: Buffer.from("three") },
  { kind: "file", path: "bin/empty", mode: 0o644, content: new Uint8Array() },
  { kind: "link", path: "link", target: "bin/odd" },
];

describe("a cpio archive", () => {
  it("is unpacked by cpio as it was described", () => {
    const directory = mkdtempSync(join(tmpdir(), "kumite-cpio-"));
    try {
      execFileSync("busybox", ["cpio", "-i"], { cwd: directory, input: cpioArchive(entries), stdio: "pipe" });
      assert.equal(lstatSync(join(directory, "bin")).mode & 0o7777, 0o1777);
      assert.equal(lstatSync(join(directory, "bin/odd")).mode & 0o7777, 0o750);
      assert.equal(readFileSync(join(directory, "bin/odd"), "utf8"), "three");
      assert.equal(readFileSync(join(directory, "bin/empty"), "utf8"), "");
      assert.equal(readlinkSync(join(directory, "link")), "bin/odd");
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  });

  it("contains device nodes without creating one", () => {
    const node: CpioEntry = { kind: "character-device", path: "console", mode: 0o600, major: 5, minor: 1 };
    const archive = Buffer.from(cpioArchive([node])).toString("latin1");
    // newc: the mode is the second field of eight hexadecimal digits after the magic, the device the tenth and
    // eleventh.
    assert.equal(archive.slice(0, 6), "070701");
    assert.equal(Number.parseInt(archive.slice(14, 22), 16), 0o020600);
    assert.deepEqual([archive.slice(78, 86), archive.slice(86, 94)], ["00000005", "00000001"]);
  });

  it("is the same for the same entries, on any host and at any time", () => {
    assert.deepEqual(cpioArchive(entries), cpioArchive(structuredClone(entries)));
    const options = { input: cpioArchive(entries), stdio: "pipe", env: { ...process.env, TZ: "UTC" } } as const;
    const listing = execFileSync("busybox", ["cpio", "-itv"], options);
    assert.match(listing.toString(), /0\/0 .* 1970-01-01 00:00:00 bin\/odd$/m);
  });

  it("refuses what the kernel could not unpack", () => {
    const file = (path: string): CpioEntry => ({ kind: "file", path, mode: 0o644, content: new Uint8Array() });
    assert.throws(() => cpioArchive([file("bin/a")]), /bin\/a comes before its directory bin/);
    assert.throws(() => cpioArchive([file("a"), file("a")]), /twice in the archive: a/);
    for (const path of ["", "/a", "../a", "a//b", "./a"])
      assert.throws(() => cpioArchive([file(path)]), /not a path inside an archive/);
  });
});
