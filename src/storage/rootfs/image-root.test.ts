import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { headBytes, imageOptions, imageWithoutRoot, withImageRoot } from "./image-root.ts";

describe("the root of an image of ours", () => {
  let place: string;
  before(() => {
    place = mkdtempSync(path.join(tmpdir(), "kumite-image-root-"));
  });
  after(() => rmSync(place, { recursive: true }));

  function made(name: string, files: number): Buffer {
    const [tree, image] = [path.join(place, name), path.join(place, `${name}.erofs`)];
    mkdirSync(path.join(tree, "directory"), { recursive: true });
    for (let index = 0; index < files; index++) writeFileSync(path.join(tree, `file-${index}`), `${name} ${index}`);
    execFileSync("mkfs.erofs", ["--quiet", "--preserve-mtime", ...imageOptions, image, tree]);
    return readFileSync(image);
  }

  function changed(image: Buffer): Uint8Array {
    const head = withImageRoot(image);
    assert.ok(typeof head !== "string", String(head));
    return head;
  }

  it("has one entry, which is the root file system", () => {
    const image = made("whole", 300);
    const file = path.join(place, "changed.erofs");
    writeFileSync(file, Buffer.concat([changed(image), image.subarray(headBytes)]));
    const number = (name: string): string | undefined => {
      const shown = execFileSync("dump.erofs", [`--path=${name}`, file], { encoding: "utf8" });
      return /NID: (\d+)/.exec(shown)?.[1];
    };
    assert.equal(number("/"), "1");
    assert.equal(Number(number("/root")), image.readUInt16LE(1024 + 14));
    const content = execFileSync("dump.erofs", ["--path=/root/file-299", "-e", file], { encoding: "utf8" });
    assert.match(content, /File : \/root\/file-299\nSize: 9 /);
  });

  it("is, with what a kernel keeps of the superblock, the same in all images, and in one without a root file system", () => {
    const [one, other, none] = [changed(made("one", 1)), changed(made("other", 2000)), imageWithoutRoot()];
    /** Without what nobody keeps: numbers of inodes and blocks, identifier and name. */
    const kept = (head: Uint8Array): Buffer => {
      const superblock = Buffer.from(head.subarray(1024, 1152));
      superblock.fill(0, 16, 24).fill(0, 36, 40).fill(0, 48, 80);
      return superblock;
    };
    /** Up to the number of the root file system. */
    const root = (head: Uint8Array): Buffer => Buffer.from(head.subarray(0, 96 + 24));
    for (const image of [other, none]) {
      assert.deepEqual(kept(image), kept(one));
      assert.deepEqual(root(image), root(one));
    }
  });

  it("is not put into what is laid out in another way", () => {
    const image = made("odd", 1);
    const reason = (offset: number, value: number): Uint8Array | string => {
      const odd = Buffer.from(image);
      odd[offset] = value;
      return withImageRoot(odd);
    };
    assert.equal(reason(1024, 0), "it has no superblock");
    assert.equal(reason(1024 + 12, 9), "its blocks do not have 4096 bytes");
    assert.equal(reason(500, 1), "its first bytes are in use");
    assert.equal(reason(1024 + 40, 1), "it has metadata elsewhere");
    assert.equal(reason(1024 + 44, 1), "it has shared attributes");
    assert.equal(reason(1024 + 80, 1), "it has features");
    assert.equal(withImageRoot(image.subarray(0, 4095)), "it is too short");
  });
});
