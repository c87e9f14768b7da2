import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { nodeOs } from "../sys/node/node-os.ts";
import type { Os } from "../sys/os.ts";
import { checkPidFile, writePidFile } from "./pid-file.ts";

describe("the pid file", () => {
  const os = nodeOs({ installRoot: "/nowhere" });
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kumite-pid-"));
  });
  after(() => rm(directory, { recursive: true }));

  it("contains only the number, and replaces an older file", async () => {
    const file = join(directory, "pid");
    await writeFile(file, "something longer than a pid\n");
    await writePidFile(os, file, 12345);
    assert.equal(await readFile(file, "utf8"), "12345");
    assert.equal((await stat(file)).mode & 0o777, 0o644);
    assert.deepEqual(await readdir(directory), ["pid"]);
  });

  it("is never seen incomplete: it is written before it gets its name", async () => {
    const file = join(directory, "atomic");
    const names: string[] = [];
    const watching: Os = {
      ...os,
      files: {
        ...os.files,
        rename: async (from, to) => {
          assert.equal(await readFile(from, "utf8"), "7");
          assert.ok(!(await readdir(directory)).includes("atomic"));
          names.push(to);
          await os.files.rename(from, to);
        },
      },
    };
    await writePidFile(watching, file, 7);
    assert.deepEqual(names, [file]);
  });

  it("that cannot be written is named, and nothing else is left", async () => {
    const file = join(directory, "in-the-way");
    await mkdir(join(file, "x"), { recursive: true });
    await assert.rejects(writePidFile(os, file, 7), { code: "system/failed", message: new RegExp(file) });
    assert.deepEqual(
      (await readdir(directory)).filter((name) => name.startsWith(".")),
      [],
    );
  });

  it("in a directory that does not exist is refused early", async () => {
    await checkPidFile(os, join(directory, "pid"));
    const file = join(directory, "missing/pid");
    await assert.rejects(checkPidFile(os, file), { code: "usage/invalid", message: /missing is not a directory/ });
  });
});
