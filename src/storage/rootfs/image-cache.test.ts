import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { Step } from "../../persist/step.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError } from "../../util/errors.ts";
import { type ImageCache, imageOf, layerDiskBytes } from "./image-cache.ts";

const os = testOs();
const signal = new AbortController().signal;
const setAttribute = "import os, sys; os.setxattr(sys.argv[1], 'trusted.test', b'x')";

describe("an image of a root file system", () => {
  let place: string;
  let cache: ImageCache;
  let steps: Step[];
  const journal = { record: async (...added: Step[]) => void steps.push(...added) };

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-images-"));
    cache = { directory: path.join(place, "cache"), limitBytes: 10 * 1024 * 1024 };
    steps = [];
  });
  afterEach(() => rm(place, { recursive: true }));

  async function tree(name: string, bytes = 1000): Promise<string> {
    const directory = path.join(place, name);
    await mkdir(directory);
    await writeFile(path.join(directory, "file"), name.padEnd(bytes, "."));
    return directory;
  }

  const image = (directory: string, using: Os = os) => imageOf(using, journal, cache, directory, signal);
  const images = async () => (await readdir(cache.directory)).filter((name) => name.endsWith(".erofs"));

  it("is made once for each content, however many ask at the same time", async () => {
    const directory = await tree("one");
    const paths = await Promise.all([image(directory), image(directory), image(directory)]);
    assert.equal(new Set(paths).size, 1);
    assert.equal(steps.length, 1);
    const [file = ""] = paths;
    assert.equal((await stat(file)).size, layerDiskBytes);
    assert.ok((await stat(file)).blocks * 512 < 1024 * 1024);
    assert.equal((await stat(file)).mode & 0o777, 0o400);
    assert.match(execFileSync("blkid", ["-p", "-o", "export", file], { encoding: "utf8" }), /TYPE=erofs/);
    await writeFile(path.join(directory, "file"), "changed");
    assert.notEqual(await image(directory), file);
    assert.equal((await images()).length, 2);
  });

  it("has no errors for fsck.erofs, however large the root directory is", async () => {
    for (const files of [1, 200, 400]) {
      const directory = await tree(`of-${files}`);
      // Names that sort before and after "..".
      await mkdir(path.join(directory, "+directory"));
      for (let index = 0; index < files; index++) await writeFile(path.join(directory, `file-${index}`), "");
      // They lie between the inode and its entries.
      execFileSync("python3", ["-c", setAttribute, directory]);
      execFileSync("fsck.erofs", [await image(directory)], { stdio: "pipe" });
    }
  });

  it("is removed when all images exceed the limit, the least recently used one first", async () => {
    const mebi = 1024 * 1024;
    const [first, second] = [await image(await tree("first", 4 * mebi)), await image(await tree("second", 4 * mebi))];
    const old = (file: string, minutes: number) => {
      const time = new Date(Date.now() - minutes * 60_000);
      return utimes(file.replace(/\.erofs$/, ".size"), time, time);
    };
    await old(first, 20);
    await old(second, 30);
    const third = await image(await tree("third", 4 * mebi));
    assert.deepEqual((await images()).sort(), [first, third].map((file) => path.basename(file)).sort());
  });

  it("stays for a while after its use, whatever the limit", async () => {
    const small = { ...cache, limitBytes: 1 };
    for (const name of ["first", "second"]) await imageOf(os, journal, small, await tree(name), signal);
    assert.equal((await images()).length, 2);
  });

  it("is refused while the tree is being changed, however fast it is read", async () => {
    const directory = await tree("moving");
    const file = path.join(directory, "file");
    let runs = 0;
    const processes: Os["processes"] = {
      ...os.processes,
      spawn: async (request) => {
        // Changes the tree before each time it is read.
        if (request.argv[0] === "find") await writeFile(file, String(runs++));
        return os.processes.spawn(request);
      },
    };
    const looksEnd = {
      "long after the change": () => Number.POSITIVE_INFINITY,
      "at once": () => statSync(file).ctimeMs + 1,
    };
    for (const [how, now] of Object.entries(looksEnd)) {
      const clock = { ...os.clock, now };
      await assert.rejects(image(directory, { ...os, processes, clock }), (error) => {
        assert.ok(isKumiteError(error, "storage/failed"), `${how}: ${error}`);
        assert.match(error.message, /moving is being changed/);
        return true;
      });
      assert.deepEqual(await images(), []);
    }
  });

  it("that is unfinished is removed by the next one, and by the journal", async () => {
    const directory = await tree("one");
    await mkdir(cache.directory, { mode: 0o700 });
    const left = path.join(cache.directory, "abc.unfinished");
    await writeFile(left, "half");
    const made = await image(directory);
    assert.deepEqual(steps, [{ kind: "file", path: made.replace(/\.erofs$/, ".unfinished") }]);
    assert.deepEqual(
      (await readdir(cache.directory)).filter((name) => name.endsWith(".unfinished")),
      [],
    );
  });

  it("is not made where others could change it", async () => {
    await mkdir(cache.directory);
    await chmod(cache.directory, 0o777);
    await assert.rejects(image(await tree("one")), /is not a directory that only root can change/);
  });
});
