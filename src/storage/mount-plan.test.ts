import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Bundle } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { OciMount, OciResources } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, SystemError } from "../util/errors.ts";
import { type MountPlan, planMounts } from "./mount-plan.ts";

const os = testOs();
const guestDirectory = "/run/kata-containers/shared/containers/web";

describe("the plan of a container's mounts", () => {
  let place: string;

  before(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-mounts-"));
    await mkdir(path.join(place, "data"));
    await writeFile(path.join(place, "hosts"), "");
  });
  after(() => rm(place, { recursive: true }));

  function plan(
    mounts: OciMount[],
    using: Os = os,
    disks = true,
    resources: OciResources = {},
    emptyDirs?: string,
  ): Promise<MountPlan> {
    const base = defaultSpec();
    const spec = { ...base, mounts, linux: { ...base.linux, resources } };
    const files = { path: place, configFile: `${place}/config.json`, rootfs: `${place}/rootfs` };
    const bundle: Bundle = { ...files, rootfsKind: "directory", spec };
    return planMounts(using, bundle, "web", { disks, emptyDirs });
  }

  async function complaint(mount: OciMount): Promise<string> {
    try {
      await plan([mount]);
      return "accepted";
    } catch (error) {
      assert.ok(isKumiteError(error, "storage/failed", "oci/unsupported", "oci/spec-invalid"), String(error));
      return error.message.replaceAll(place, "B");
    }
  }

  it("leaves to the guest the file systems that its kernel has", async () => {
    const mounts = defaultSpec().mounts ?? [];
    assert.deepEqual(await plan(mounts), { volumes: [], disks: [], storages: [], guestMounts: mounts, notes: [] });
  });

  it("shares the source of a bind and names it by its path in the guest", async () => {
    const options = ["rbind", "ro", "rprivate"];
    const { volumes, guestMounts } = await plan([
      { destination: "/proc", type: "proc" },
      { destination: "/data", type: "bind", source: `${place}/data`, options },
      { destination: "/etc/hosts", type: "bind", source: "hosts", options: ["bind"] },
    ]);
    assert.deepEqual(volumes, [
      { index: 1, source: `${place}/data`, kind: "directory", readonly: true, recursive: true },
      { index: 2, source: `${place}/hosts`, kind: "file", readonly: false, recursive: false },
    ]);
    assert.deepEqual(guestMounts.slice(1), [
      { destination: "/data", type: "bind", source: `${guestDirectory}/volume-1`, options },
      { destination: "/etc/hosts", type: "bind", source: `${guestDirectory}/volume-2`, options: ["bind"] },
    ]);
  });

  it("leaves copied symbolic links to the guest, and shares other files", async () => {
    await symlink("../to/nowhere", path.join(place, "link"));
    const options = ["rbind", "copy-symlink"];
    const { volumes, guestMounts } = await plan([
      { destination: "/link", type: "bind", source: "link", options },
      { destination: "/etc/hosts", type: "bind", source: "hosts", options },
    ]);
    assert.deepEqual(guestMounts, [
      { destination: "/link", type: "bind", source: "../to/nowhere", options },
      { destination: "/etc/hosts", type: "bind", source: `${guestDirectory}/volume-1`, options: ["rbind"] },
    ]);
    assert.deepEqual(
      volumes.map(({ source }) => source),
      [`${place}/hosts`],
    );
  });

  it("recognises a bind by its options alone, and uses the last option about writing", async () => {
    const source = `${place}/data`;
    const { volumes } = await plan([
      { destination: "/a", source, options: ["rbind"] },
      { destination: "/b", type: "none", source, options: ["bind", "ro", "rw"] },
      { destination: "/c", type: "bind", source, options: ["rro"] },
    ]);
    assert.deepEqual(
      volumes.map(({ readonly, recursive }) => [readonly, recursive]),
      [
        [false, true],
        [false, false],
        [true, true],
      ],
    );
  });

  it("gives the container the guest's own proc and sys", async () => {
    const mount = { destination: "/x", type: "bind", source: "/proc/sys", options: ["bind"] };
    assert.deepEqual(await plan([mount]), { volumes: [], disks: [], storages: [], guestMounts: [mount], notes: [] });
  });

  it("has no cgroup of the host, and for systemd's the guest's own, writable", async () => {
    const options = ["bind", "nosuid"];
    const of = (source: string): OciMount => ({ destination: source, type: "bind", source, options });
    const { guestMounts, notes } = await plan([of("/sys/fs/cgroup/systemd"), of("/sys/fs/cgroup/memory/x")]);
    assert.deepEqual(guestMounts, [
      { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid"] },
    ]);
    assert.deepEqual(notes, [
      "mount on /sys/fs/cgroup/memory/x is left out: /sys/fs/cgroup/memory/x is a cgroup of the host",
    ]);
  });

  it("makes shared memory a file system of the guest, with the size that the engine chose", async () => {
    const source = `${place}/data`;
    const options = ["bind", "rprivate", "nosuid", "noexec", "nodev"];
    const mount = { destination: "/dev/shm", type: "bind", source, options };
    const capacityBytes = async (path: string) => (path === source ? 65_536_000 : 1);
    const { volumes, guestMounts } = await plan([mount], { ...os, files: { ...os.files, capacityBytes } });
    assert.deepEqual(volumes, []);
    assert.deepEqual(guestMounts, [
      {
        destination: "/dev/shm",
        type: "tmpfs",
        source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536000"],
      },
    ]);
    const [own] = (await plan([{ ...mount, source: "/dev/shm" }])).guestMounts;
    assert.ok(own?.options?.includes(`size=${64 * 1024 * 1024}`), "the host's own says nothing");
    const failing = async () => Promise.reject(new SystemError("EIO", "statfs", source));
    const files = { ...os.files, capacityBytes: failing };
    await assert.rejects(plan([mount], { ...os, files }), /mounts\[0\]\.source: .*data cannot be mounted: /);
  });

  it("makes the memory that a pod shares the VM's own", async () => {
    const source = "/pods/1/volumes/kubernetes.io~empty-dir/scratch";
    const table = [{ target: source, type: "tmpfs", options: ["rw", "size=2048k"] }];
    const status: Os["files"]["status"] = (file) => os.files.status(file === source ? place : file);
    const using: Os = {
      ...os,
      files: { ...os.files, status },
      mounts: { ...os.mounts, table: async () => table as never },
    };
    const mount = { destination: "/scratch", type: "bind", source, options: ["rbind", "ro"] };
    const planned = await plan([mount], using);
    const mountPoint = planned.storages[0]?.mountPoint ?? "";
    assert.match(mountPoint, /^\/run\/kata-containers\/sandbox\/ephemeral\/[0-9a-f]{16}-scratch$/);
    const storage = { driver: "ephemeral", source: "tmpfs", fstype: "tmpfs", options: ["mode=777", "size=2048k"] };
    assert.deepEqual(planned.storages, [{ ...storage, mountPoint }]);
    assert.deepEqual(planned.guestMounts, [{ ...mount, source: mountPoint }]);
    assert.deepEqual(planned.volumes, []);
    // An emptyDir on a disk of the host stays there, unless the configuration moves it to the guest.
    const onDisk = { ...using, mounts: { ...os.mounts, table: async () => [] } };
    assert.equal((await plan([mount], onDisk)).volumes[0]?.source, source);
    const local = await plan([mount], onDisk, true, {}, "/guest/root/local");
    const directory = `/guest/root/local/${mountPoint.slice(mountPoint.lastIndexOf("/") + 1)}`;
    const made = { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mountPoint: directory };
    assert.deepEqual(local.storages, [made]);
    assert.deepEqual([local.volumes, local.guestMounts], [[], [{ ...mount, source: directory }]]);
  });

  it("reserves huge pages in the guest, as many as the container may use", async () => {
    const source = "/pods/1/volumes/kubernetes.io~empty-dir/huge";
    const table = [{ target: source, type: "hugetlbfs", options: ["rw", "pagesize=2M"] }];
    const status: Os["files"]["status"] = (file) => os.files.status(file === source ? place : file);
    const using: Os = {
      ...os,
      files: { ...os.files, status },
      mounts: { ...os.mounts, table: async () => table as never },
    };
    const mount = { destination: "/huge", type: "bind", source, options: ["rbind"] };
    const limits = [
      { pageSize: "1GB", limit: 2 ** 30 },
      { pageSize: "2MB", limit: 8 * 2 ** 20 },
    ];
    const [storage] = (await plan([mount], using, true, { hugepageLimits: limits })).storages;
    assert.deepEqual([storage?.driver, storage?.fstype], ["ephemeral", "hugetlbfs"]);
    assert.deepEqual(storage?.options, ["mode=777", "pagesize=2097152", "size=8388608"]);
    await assert.rejects(plan([mount], using), /mounts\[0\]: a huge page volume needs a limit/);
  });

  it("makes a block device a disk, if the VM has disks", async () => {
    const status: Os["files"]["status"] = async (file) => {
      const own = await os.files.status(place);
      return file === "/dev/disk" && own !== undefined ? { ...own, kind: "block", deviceNumber: 0x703n } : own;
    };
    const using: Os = { ...os, files: { ...os.files, status } };
    const mount = { destination: "/disk", type: "bind", source: "/dev/disk", options: ["bind", "ro"] };
    const { disks, guestMounts } = await plan([mount], using);
    assert.deepEqual(disks, [
      { index: 0, source: "/dev/disk", deviceNumber: 0x703n, destination: "/disk", readOnly: true },
    ]);
    assert.deepEqual(guestMounts, [{ ...mount, source: "/run/kata-containers/sandbox/storage/web-mount0" }]);
    const without = await plan([mount], using, false);
    assert.deepEqual(without.notes, ["mount on /disk is left out: /dev/disk is a device of the host"]);
  });

  it("leaves out a device of the host, and says so", async () => {
    const { volumes, guestMounts, notes } = await plan([
      { destination: "/dev/fuse", type: "bind", source: "/dev/tty", options: ["bind"] },
    ]);
    assert.deepEqual([volumes, guestMounts], [[], []]);
    assert.deepEqual(notes, ["mount on /dev/fuse is left out: /dev/tty is a device of the host"]);
  });

  it("uses the guest's own for a device that every kernel has", async () => {
    const { volumes, guestMounts } = await plan([
      { destination: "/etc/hidden", type: "bind", source: "/dev/null", options: ["bind", "ro"] },
    ]);
    assert.deepEqual(volumes, []);
    assert.deepEqual(guestMounts, [
      { destination: "/etc/hidden", type: "bind", source: "/dev/null", options: ["bind", "ro"] },
    ]);
  });

  it("mounts an overlay on the host, where its directories are", async () => {
    const options = ["lowerdir=/a:/b", "upperdir=/u", "workdir=/w", "private", "nosuid"];
    const { volumes, guestMounts } = await plan([{ destination: "/x", type: "overlay", source: "overlay", options }]);
    const overlay = "lowerdir=/a:/b,upperdir=/u,workdir=/w";
    assert.deepEqual(volumes, [
      { index: 0, source: "overlay", kind: "directory", readonly: false, recursive: false, overlay },
    ]);
    assert.deepEqual(guestMounts, [
      { destination: "/x", type: "bind", source: `${guestDirectory}/volume-0`, options: ["bind", "private", "nosuid"] },
    ]);
  });

  it("leaves a change of an earlier mount to the guest", async () => {
    const mount = { destination: "/x", options: ["remount", "bind", "ro"] };
    assert.deepEqual(await plan([mount]), { volumes: [], disks: [], storages: [], guestMounts: [mount], notes: [] });
  });

  it("is refused with the key if a source is missing or the guest lacks a file system", async () => {
    assert.equal(
      await complaint({ destination: "/a", type: "bind", source: "missing", options: ["bind"] }),
      "B/config.json: mounts[0].source: B/missing cannot be mounted: no such file or directory",
    );
    assert.equal(
      await complaint({ destination: "/a", type: "bind", options: ["bind"] }),
      "B/config.json: mounts[0].source is missing: a bind mount needs one",
    );
    assert.equal(
      await complaint({ destination: "/a", type: "nfs", source: "server:/x" }),
      "B/config.json: mounts[0].type: nfs cannot be mounted in a VM",
    );
    assert.match(await complaint({ destination: "/a" }), /mounts\[0\].type is missing/);
  });
});
