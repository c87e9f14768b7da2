import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { cached, cacheRoot, contentKey } from "./cache.ts";

describe("the build cache", () => {
  const previous = process.env.KUMITE_CACHE;
  let root = "";

  before(async () => {
    root = await mkdtemp(join(tmpdir(), "kumite-cache-"));
    process.env.KUMITE_CACHE = root;
  });

  after(async () => {
    if (previous === undefined) delete process.env.KUMITE_CACHE;
    else process.env.KUMITE_CACHE = previous;
    await rm(root, { recursive: true });
  });

  it("builds once per key", async () => {
    let builds = 0;
    const build = async (directory: string) => {
      builds += 1;
      await writeFile(join(directory, "result"), "built");
    };
    const first = await cached("thing", "1", build);
    assert.equal(await cached("thing", "1", build), first);
    assert.equal(await readFile(join(first, "result"), "utf8"), "built");
    assert.notEqual(await cached("thing", "2", build), first);
    assert.equal(builds, 2);
  });

  it("keeps nothing of a failed build", async () => {
    const failing = cached("broken", "1", async (directory) => {
      await writeFile(join(directory, "half"), "");
      throw new Error("no");
    });
    await assert.rejects(failing, /^Error: no$/);
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.includes("broken")),
      [],
    );
  });

  it("lets two builds of the same thing share the result", async () => {
    const build = (text: string) => async (directory: string) => writeFile(join(directory, "result"), text);
    const [one, other] = await Promise.all([cached("race", "1", build("a")), cached("race", "1", build("b"))]);
    assert.equal(one, other);
    assert.match(await readFile(join(one, "result"), "utf8"), /^[ab]$/);
    assert.deepEqual(
      (await readdir(root)).filter((name) => name.startsWith(".")),
      [],
    );
  });

  it("drops entries that were not used for long, of the same name only", async () => {
    const long = new Date(Date.now() - 30 * 24 * 3600_000);
    for (const name of ["old-1", "other-1"]) {
      await mkdir(join(root, name));
      await utimes(join(root, name), long, long);
    }
    await cached("old", "2", async () => {});
    const left = await readdir(root);
    assert.ok(left.includes("old-2") && left.includes("other-1") && !left.includes("old-1"), left.join());
  });

  it("is in the tree if the caller's home directory is missing or cannot be written", () => {
    const { HOME } = process.env;
    delete process.env.KUMITE_CACHE;
    try {
      for (const home of ["/dev/null/home", ""]) {
        process.env.HOME = home;
        assert.match(cacheRoot(), /\/build\/cache$/, home);
      }
    } finally {
      process.env.KUMITE_CACHE = root;
      if (HOME === undefined) delete process.env.HOME;
      else process.env.HOME = HOME;
    }
  });

  it("has keys that tell the parts apart", () => {
    assert.notEqual(contentKey("ab", "c"), contentKey("a", "bc"));
    assert.equal(contentKey("ab", new Uint8Array([1])), contentKey("ab", new Uint8Array([1])));
  });
});
