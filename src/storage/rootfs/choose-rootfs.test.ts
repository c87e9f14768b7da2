import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { LoopDevice, makeDiskImage } from "../../../test/support/disk-image.ts";
import { testOs } from "../../../test/support/node-os.ts";
import type { Bundle } from "../../oci/bundle.ts";
import { defaultSpec } from "../../oci/default-spec.ts";
import { rootfsAnnotation } from "../../oci/rootfs-annotation.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError } from "../../util/errors.ts";
import { layerBus } from "../disk-names.ts";
import { chooseRootfs, type RootfsChoices } from "./choose-rootfs.ts";
import type { RootfsPlan } from "./rootfs-plan.ts";

const os = testOs();
const usual: RootfsChoices = {
  writes: "host",
  blockDevices: "device-mapper",
  disks: true,
  images: true,
  diskBus: () => layerBus,
};

describe("the kind of a root file system", () => {
  let place: string;
  let tree: string;
  let image: string;

  before(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-rootfs-"));
    tree = path.join(place, "tree");
    image = path.join(place, "image.ext4");
    await mkdir(path.join(tree, "rootfs"), { recursive: true });
    await makeDiskImage(image, "ext4", tree);
  });
  after(() => rm(place, { recursive: true }));

  function bundle(rootfs: string, rootfsKind: Bundle["rootfsKind"], way?: string): Bundle {
    const spec = { ...defaultSpec(), ...(way !== undefined && { annotations: { [rootfsAnnotation]: way } }) };
    return { path: place, configFile: `${place}/config.json`, rootfs, rootfsKind, spec };
  }

  async function planOf(from: Bundle, choices: Partial<RootfsChoices> = {}, using: Os = os): Promise<RootfsPlan> {
    return (await chooseRootfs(using, from, { ...usual, ...choices })).plan;
  }

  async function complaint(from: Bundle, choices: Partial<RootfsChoices> = {}): Promise<string> {
    try {
      await planOf(from, choices);
      return "accepted";
    } catch (error) {
      assert.ok(isKumiteError(error, "storage/failed", "oci/unsupported", "oci/spec-invalid"), String(error));
      return error.message.replaceAll(place, "B");
    }
  }

  it("of a directory is shared, or layers if writes are to stay in the guest", async () => {
    const directory = bundle(tree, "directory");
    assert.deepEqual(await planOf(directory), { kind: "shared", directory: tree });
    assert.deepEqual(await planOf(directory, { writes: "guest" }), {
      kind: "layers",
      lower: { kind: "image", directory: tree },
      upper: { kind: "disk" },
    });
    assert.deepEqual(await planOf(directory, { writes: "guest", disks: false }), {
      kind: "layers",
      lower: { kind: "shared", directory: tree },
      upper: { kind: "memory" },
    });
  });

  it("of a directory that cannot become an image is layers with the directory below, and the reason is given", async () => {
    const mounts = { ...os.mounts, table: async () => [{ target: `${tree}/rootfs` }] as never };
    const choices: RootfsChoices = { ...usual, writes: "guest" };
    const { plan, notes } = await chooseRootfs({ ...os, mounts }, bundle(tree, "directory"), choices);
    assert.deepEqual(plan, {
      kind: "layers",
      lower: { kind: "shared", directory: tree },
      upper: { kind: "memory" },
    });
    assert.match(notes[0] ?? "", /^no image is made .*: something is mounted below it, on .*rootfs$/);
  });

  it("can be selected by an annotation", async () => {
    assert.equal((await planOf(bundle(tree, "directory", "image"))).kind, "layers");
    assert.equal((await planOf(bundle(tree, "directory", "layers"))).kind, "layers");
    assert.equal((await planOf(bundle(tree, "directory", "shared"), { writes: "guest" })).kind, "shared");
    assert.equal(
      await complaint(bundle(tree, "directory", "nfs")),
      'B/config.json: annotations["io.kumite.rootfs"] is "nfs"',
    );
    assert.match(
      await complaint(bundle(tree, "directory", "image"), { disks: false }),
      /no disk can be added to this VM/,
    );
  });

  it("of a disk is its file system, detected by content", async () => {
    const disk = { path: image, fstype: "ext4", directory: "" };
    assert.deepEqual(await planOf(bundle(image, "file")), { kind: "disk", disk });
    assert.deepEqual(await planOf(bundle(image, "file"), { writes: "guest" }), {
      kind: "layers",
      lower: { kind: "disk", disk },
      upper: { kind: "disk" },
    });
    const readOnly = path.join(place, "image.erofs");
    await makeDiskImage(readOnly, "erofs", tree);
    assert.equal((await planOf(bundle(readOnly, "file"))).kind, "layers");
  });

  it("of a disk without a file system, or with one that the guest lacks, is refused", async () => {
    const empty = path.join(place, "empty");
    await writeFile(empty, Buffer.alloc(1024 * 1024));
    assert.equal(await complaint(bundle(empty, "file")), "B/config.json: root.path: B/empty has no file system");
    assert.match(await complaint(bundle(image, "file"), { disks: false }), /no disk can be added to this VM/);
    assert.match(await complaint(bundle(image, "file", "shared")), /root.path is not a directory/);
  });

  it("of a mounted block device is that device, if the configuration allows its kind", async () => {
    await using loop = await LoopDevice.attach(image);
    const mounted = path.join(place, "mounted");
    await mkdir(mounted, { recursive: true });
    await loop.mount(mounted);
    try {
      const disk = { path: loop.path, fstype: "ext4", hostMount: mounted };
      const any = { blockDevices: "any" } as const;
      assert.deepEqual(await planOf(bundle(mounted, "directory"), any), {
        kind: "disk",
        disk: { ...disk, directory: "" },
      });
      const inner = path.join(mounted, "rootfs");
      assert.deepEqual(await planOf(bundle(inner, "directory"), any), {
        kind: "disk",
        disk: { ...disk, directory: "/rootfs" },
      });
      assert.equal((await planOf(bundle(path.join(mounted, "lost+found"), "directory"), any)).kind, "shared");
      assert.equal((await planOf(bundle(inner, "directory"), { blockDevices: "device-mapper" })).kind, "shared");
      assert.equal((await planOf(bundle(inner, "directory"), { blockDevices: "never" })).kind, "shared");
      // A device-mapper device has a directory `dm`.
      const status = (file: string) =>
        /^\/sys\/dev\/block\/7:\d+\/dm$/.test(file) ? os.files.status("/") : os.files.status(file);
      const mapped: Os = { ...os, files: { ...os.files, status } };
      assert.equal((await planOf(bundle(inner, "directory"), {}, mapped)).kind, "disk");
      assert.equal(
        await complaint(bundle(image, "file")),
        `B/config.json: root.path: B/image.ext4 is in use by ${loop.path}`,
      );
      assert.equal(
        await complaint(bundle(loop.path, "block")),
        `B/config.json: root.path: ${loop.path} is mounted on B/mounted`,
      );
    } finally {
      await os.mounts.unmount(mounted);
    }
    assert.deepEqual(await planOf(bundle(loop.path, "block")), {
      kind: "disk",
      disk: { path: loop.path, fstype: "ext4", directory: "" },
    });
  });
});
