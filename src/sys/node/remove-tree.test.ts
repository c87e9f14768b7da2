import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isSystemError } from "../../util/errors.ts";
import { removeTree } from "./remove-tree.ts";

describe("removing a tree", () => {
  let base: string;
  let tree: string;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), "kumite-tree-"));
    tree = join(base, "tree");
    mkdirSync(tree);
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it("removes files, directories and names that are not UTF-8", async () => {
    mkdirSync(join(tree, "a/b"), { recursive: true });
    writeFileSync(join(tree, "a/b/file"), "");
    writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0x66, 0xff, 0xfe])]), "");
    await removeTree(tree);
    assert.ok(!existsSync(tree));
  });

  it("removes symbolic links and not their targets", async () => {
    const outside = join(base, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "kept"), "");
    symlinkSync(outside, join(tree, "link"));
    await removeTree(tree);
    assert.deepEqual(readdirSync(outside), ["kept"]);
  });

  it("removes a symbolic link in place of the tree and not its target", async () => {
    const link = join(base, "link");
    symlinkSync(tree, link);
    await removeTree(link);
    assert.deepEqual(readdirSync(base), ["tree"]);
  });

  it("removes a tree that is deeper than any path is long", async () => {
    // Created through relative names, as a guest could, to exceed the length limit of paths.

    const dig =
      'const name = "d".repeat(60); for (let i = 0; i < 150; i++) { fs.mkdirSync(name); process.chdir(name); }';
    execFileSync(process.execPath, ["-e", dig], { cwd: tree });
    await removeTree(tree);
    assert.ok(!existsSync(tree));
  });

  it("refuses a tree with a mount in it before anything is removed", async () => {
    const source = join(base, "source");
    mkdirSync(source);
    mkdirSync(join(tree, "a/mounted"), { recursive: true });
    writeFileSync(join(tree, "first"), "");
    execFileSync("mount", ["--bind", source, join(tree, "a/mounted")]);
    try {
      await assert.rejects(removeTree(tree), (error) => isSystemError(error, "EBUSY"));
      assert.ok(existsSync(join(tree, "first")));
    } finally {
      execFileSync("umount", [join(tree, "a/mounted")]);
    }
  });
});
