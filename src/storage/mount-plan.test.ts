import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import type { Bundle } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { OciMount } from "../oci/spec.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError } from "../util/errors.ts";
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

  function plan(mounts: OciMount[], using: Os = os): Promise<MountPlan> {
    const spec = { ...defaultSpec(), mounts };
    const bundle: Bundle = { path: place, configFile: `${place}/config.json`, rootfs: `${place}/rootfs`, spec };
    return planMounts(using, bundle, "web");
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

  it("leaves to the guest what its kernel has", async () => {
    const mounts = defaultSpec().mounts ?? [];
    assert.deepEqual(await plan(mounts), { volumes: [], guestMounts: mounts, notes: [] });
  });

  it("shares the source of a bind and names it as the guest finds it", async () => {
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

  it("knows a bind by its options alone, and takes the last word on writing", async () => {
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

  it("lets the guest use its own proc and sys", async () => {
    const mount = { destination: "/x", type: "bind", source: "/proc/sys", options: ["bind"] };
    assert.deepEqual(await plan([mount]), { volumes: [], guestMounts: [mount], notes: [] });
  });

  it("gives shared memory of the host's size as a file system of the guest", async () => {
    const source = `${place}/data`;
    const table: Os["mounts"]["table"] = async () => [
      {
        id: 1,
        parentId: 0,
        root: "/",
        target: source,
        type: "tmpfs",
        source: "shm",
        options: ["rw", "size=64000k"],
        optionalFields: [],
      },
    ];
    const options = ["bind", "rprivate", "nosuid", "noexec", "nodev"];
    const mount = { destination: "/dev/shm", type: "bind", source, options };
    const { volumes, guestMounts } = await plan([mount], { ...os, mounts: { ...os.mounts, table } });
    assert.deepEqual(volumes, []);
    assert.deepEqual(guestMounts, [
      {
        destination: "/dev/shm",
        type: "tmpfs",
        source: "shm",
        options: ["nosuid", "noexec", "nodev", "mode=1777", "size=64000k"],
      },
    ]);
    const [other] = (await plan([mount])).guestMounts;
    assert.ok(other?.options?.includes("size=65536k"));
  });

  it("leaves out a device of the host, and says so", async () => {
    const { volumes, guestMounts, notes } = await plan([
      { destination: "/dev/fuse", type: "bind", source: "/dev/tty", options: ["bind"] },
    ]);
    assert.deepEqual([volumes, guestMounts], [[], []]);
    assert.deepEqual(notes, ["mount on /dev/fuse is left out: /dev/tty is a device of the host"]);
  });

  it("takes the guest's own of a device that every kernel has", async () => {
    const { volumes, guestMounts } = await plan([
      { destination: "/etc/hidden", type: "bind", source: "/dev/null", options: ["bind", "ro"] },
    ]);
    assert.deepEqual(volumes, []);
    assert.deepEqual(guestMounts, [
      { destination: "/etc/hidden", type: "bind", source: "/dev/null", options: ["bind", "ro"] },
    ]);
  });

  it("lays directories over each other on the host, where they are", async () => {
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
    assert.deepEqual(await plan([mount]), { volumes: [], guestMounts: [mount], notes: [] });
  });

  it("is refused by key when a source is missing or a file system is not the guest's", async () => {
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
      "B/config.json: mounts[0].type: nfs cannot be mounted in a virtual machine",
    );
    assert.match(await complaint({ destination: "/a" }), /mounts\[0\].type is missing/);
  });
});
