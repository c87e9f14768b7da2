import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { baseName, dirName, isBelow, joinPath, normalizePath, resolvePath } from "./path.ts";

describe("paths as text", () => {
  it("normalize without climbing above the root", () => {
    assert.equal(normalizePath("/a/./b//../c/"), "/a/c");
    assert.equal(normalizePath("/../../etc"), "/etc");
    assert.equal(normalizePath("../a/../b"), "../b");
    assert.equal(normalizePath("a/.."), ".");
    assert.equal(normalizePath("/"), "/");
  });
  it("join below the first part even when a later one is absolute", () => {
    assert.equal(joinPath("/share", "/etc/passwd"), "/share/etc/passwd");
    assert.equal(joinPath("/share", "../x"), "/x");
  });
  it("resolve against a base only if they are relative", () => {
    assert.equal(resolvePath("/bundle", "rootfs"), "/bundle/rootfs");
    assert.equal(resolvePath("/bundle", "/elsewhere/"), "/elsewhere");
  });
  it("split into directory and name", () => {
    assert.equal(dirName("/a/b/"), "/a");
    assert.equal(dirName("/a"), "/");
    assert.equal(dirName("a"), ".");
    assert.equal(baseName("/a/b/"), "b");
    assert.equal(baseName("/"), "");
  });
  it("are compared by whole components", () => {
    assert.ok(isBelow("/a", "/a"));
    assert.ok(isBelow("/a", "/a/b"));
    assert.ok(!isBelow("/a", "/ab"));
    assert.ok(isBelow("/", "/x"));
  });
});
