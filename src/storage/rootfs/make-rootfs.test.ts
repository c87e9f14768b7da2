import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import type { Step } from "../../persist/step.ts";
import { layerDiskBytes } from "./image-cache.ts";
import { makeRootfs } from "./make-rootfs.ts";

const os = testOs();
const signal = new AbortController().signal;
const plan = { kind: "layers", lower: { kind: "shared", directory: "/" }, upper: { kind: "disk" } } as const;

describe("the upper layer of a root file system", () => {
  let place: string;
  let steps: Step[];
  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-upper-"));
    steps = [];
  });
  afterEach(() => rm(place, { recursive: true }));

  async function made(emptyUpper?: string) {
    const workshop = {
      journal: { record: async (...added: Step[]) => void steps.push(...added) },
      images: { directory: path.join(place, "images"), limitBytes: 0 },
      upperDirectory: path.join(place, "uppers"),
      upperMiB: 256,
      emptyUpper: Promise.resolve(emptyUpper),
    };
    const { disks, filled, isCopy } = await makeRootfs(
      os,
      workshop,
      { containerId: "box", plan, bus: "virtio-blk" },
      signal,
    );
    const file = disks[0]?.path ?? "";
    assert.deepEqual(steps.splice(0), [{ kind: "file", path: file }]);
    assert.equal((await stat(file)).size, layerDiskBytes);
    await filled;
    return {
      file,
      isCopy,
      uuid: execFileSync("blkid", ["-p", "-s", "UUID", "-o", "value", file], { encoding: "utf8" }),
    };
  }

  it("has its size before it has its file system", async () => {
    const { isCopy, uuid, file } = await made();
    assert.equal(isCopy, false);
    assert.notEqual(uuid, "");
    assert.ok((await stat(file)).blocks * 512 < 2 * 1024 * 1024);
  });

  it("is not made where others than root could exchange it", async () => {
    const uppers = path.join(place, "uppers");
    for (const [mode, isTaken] of [
      [0o777, false],
      [0o770, false],
      [0o1777, true],
      [0o755, true],
    ] as const) {
      await mkdir(uppers, { recursive: true });
      await chmod(uppers, mode);
      if (isTaken) await made();
      else
        await assert.rejects(made(), {
          code: "storage/failed",
          message: /uppers is not a directory in which only root/,
        });
    }
    await chown(uppers, 1000, 0);
    await assert.rejects(made(), { code: "storage/failed" });
  });

  it("is a copy of a template's, which takes as little space", async () => {
    const empty = await made();
    const copy = await made(empty.file);
    assert.deepEqual([copy.isCopy, copy.uuid], [true, empty.uuid]);
    assert.ok((await stat(copy.file)).blocks * 512 < 2 * 1024 * 1024);
  });

  it("is not copied, and the reason is given, if the template's is gone", async () => {
    const { isCopy, uuid } = await made(path.join(place, "gone"));
    assert.equal(isCopy, false);
    assert.notEqual(uuid, "");
    assert.equal((await readdir(path.join(place, "uppers"))).length, 1);
  });
});
