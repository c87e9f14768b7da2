import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, link, mkdir, mkdtemp, rename, rm, symlink, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import { isKumiteError } from "../../util/errors.ts";
import { treeKey } from "./tree-key.ts";

const os = testOs();

describe("the key of a directory tree", () => {
  let tree: string;

  before(async () => {
    tree = await mkdtemp(path.join(tmpdir(), "kumite-tree-"));
    await mkdir(path.join(tree, "a"));
    await writeFile(path.join(tree, "a/file"), "one");
    await writeFile(path.join(tree, "other"), "two");
  });
  after(() => rm(tree, { recursive: true }));

  it("is the same while nothing changes, even if files are read", async () => {
    const key = (await treeKey(os, tree)) ?? "";
    assert.match(key, /^[0-9a-f]{64}$/);
    execFileSync("cat", [`${tree}/a/file`]);
    assert.equal(await treeKey(os, tree), key);
  });

  it("changes with every kind of change, even if times are set back", async () => {
    const at = (name: string): string => path.join(tree, name);
    const past = new Date(0);
    const changes: readonly (readonly [string, () => Promise<unknown>])[] = [
      ["content of the same length", () => writeFile(at("a/file"), "uno")],
      ["content with its old time", () => writeFile(at("a/file"), "one").then(() => utimes(at("a/file"), past, past))],
      ["mode", () => chmod(at("other"), 0o600)],
      ["attribute", () => Promise.resolve(execFileSync("python3", ["-c", setAttribute, at("other")]))],
      ["hard link", () => link(at("other"), at("linked"))],
      ["symbolic link", () => symlink("other", at("soft"))],
      ["its target", () => unlink(at("soft")).then(() => symlink("else", at("soft")))],
      ["name", () => rename(at("linked"), at("renamed"))],
      ["removal", () => unlink(at("renamed"))],
      ["mode of the root", () => chmod(tree, 0o755)],
      ["a name that is no text", () => writeFile(Buffer.concat([Buffer.from(`${tree}/`), Buffer.of(0xff)]), "")],
    ];
    const keys = new Set([await treeKey(os, tree)]);
    for (const [what, change] of changes) {
      await change();
      const key = await treeKey(os, tree);
      assert.ok(!keys.has(key), what);
      keys.add(key);
    }
  });

  it("is not computed for a tree with more entries than the limit allows, which the error names", async () => {
    await assert.rejects(treeKey(os, tree, undefined, { limitBytes: 10 }), {
      code: "storage/failed",
      message: `find printed more than 10 bytes about ${tree}`,
    });
  });

  it("cannot be computed for a missing tree", async () => {
    await assert.rejects(treeKey(os, "/no/such"), (error) => {
      assert.ok(isKumiteError(error, "storage/failed"), String(error));
      assert.match(error.message, /find ended with status 1: .*\/no\/such.*No such file/);
      return true;
    });
  });
});

const setAttribute = "import os, sys; os.setxattr(sys.argv[1], 'trusted.test', b'x')";
