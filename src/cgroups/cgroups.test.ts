import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, rmdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { claimContainer } from "../persist/claim.ts";
import type { Journal } from "../persist/journal.ts";
import { undoAll } from "../persist/undo.ts";
import type { MountEntry, Os } from "../sys/os.ts";
import { isKumiteError, SystemError } from "../util/errors.ts";
import { cgroupPathOf } from "./cgroup-path.ts";
import { hierarchiesIn } from "./hierarchies.ts";
import { expectRoomForProcesses } from "./process-room.ts";
import { makeSandboxCgroups } from "./sandbox-cgroups.ts";

const os = testOs();

describe("the path of a specification's cgroup", () => {
  const rules: readonly [given: string | undefined, path: string][] = [
    [undefined, "/kumite/web"],
    ["", "/kumite/web"],
    ["/", "/kumite/web"],
    ["/libpod_parent/libpod-1", "/libpod_parent/libpod-1"],
    ["/a//b/", "/a/b"],
    ["relative/path", "/kumite/relative/path"],
    ["../../escape", "/kumite/escape"],
    ["/../../top", "/top"],
    ["machine.slice:libpod:123", "/machine.slice/libpod-123.scope"],
    [":libpod:123", "/system.slice/libpod-123.scope"],
    [
      "kubepods-besteffort-pod1.slice:cri:2",
      "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-2.scope",
    ],
    ["-.slice:libpod:123", "/libpod-123.scope"],
    ["machine.slice::123", "/machine.slice/123.scope"],
    ["/with:two:colons", "/with:two:colons"],
  ];
  for (const [given, expected] of rules) {
    it(`${JSON.stringify(given) ?? "not given"} is ${expected}`, () =>
      assert.equal(cgroupPathOf(given, "web"), expected));
  }
});

function mounted(target: string, type: string, ...options: string[]): MountEntry {
  return { id: 1, parentId: 0, root: "/", target, type, source: type, options, optionalFields: [] };
}

describe("the hierarchies of a host", () => {
  it("are a single one on a host with version 2 only", () => {
    const mounts = [mounted("/", "ext4", "rw"), mounted("/sys/fs/cgroup", "cgroup2", "rw")];
    assert.deepEqual(hierarchiesIn(mounts), [{ directory: "/sys/fs/cgroup", version: 2 }]);
  });

  it("are counted once when controllers share one or it is mounted twice", () => {
    const mounts = [
      mounted("/cg/cpu,cpuacct", "cgroup", "rw", "cpu", "cpuacct"),
      mounted("/cg/memory", "cgroup", "rw", "memory"),
      mounted("/elsewhere/memory", "cgroup", "rw", "memory"),
      mounted("/cg/systemd", "cgroup", "rw", "xattr", "name=systemd"),
      mounted("/cg/cpuset", "cgroup", "rw", "cpuset"),
      mounted("/cg/unified", "cgroup2", "rw"),
    ];
    assert.deepEqual(
      hierarchiesIn(mounts).map(({ directory }) => directory),
      ["/cg/cpu,cpuacct", "/cg/memory", "/cg/unified"],
    );
  });
});

describe("the cgroups of a sandbox", () => {
  let place: string;
  /** Unique to this run of the suite. */
  let name: string;
  let journal: Journal;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-cgroups-"));
    name = path.basename(place);
    journal = await claim("web");
  });
  afterEach(async () => {
    assert.deepEqual(await undoAll(os, journal.content.steps), []);
    await rm(place, { recursive: true });
  });

  async function claim(id: string): Promise<Journal> {
    const request = { root: path.join(place, "root"), id, bundle: place, rootfs: place, annotations: {} };
    return (await claimContainer(os, request)).journal;
  }

  it("are created in every hierarchy, one that engines see and one for the rest", async () => {
    const hierarchies = hierarchiesIn(await os.mounts.table());
    const made = await makeSandboxCgroups(os, journal, `/${name}/a/b`);
    assert.deepEqual(
      made.relay,
      hierarchies.map(({ directory }) => `${directory}/${name}/a/b/relay`),
    );
    for (const directory of [...made.relay, ...made.vm]) assert.ok(existsSync(directory), directory);
    assert.deepEqual(await undoAll(os, journal.content.steps), []);
    for (const { directory } of hierarchies) assert.ok(!existsSync(`${directory}/${name}`));
  });

  it("tolerate cgroups that others created in the meantime", async () => {
    const [hierarchy] = hierarchiesIn(await os.mounts.table());
    const engine = `${hierarchy?.directory}/${name}`;
    await mkdir(engine);
    await makeSandboxCgroups(os, journal, `/${name}/libpod-1`);
    assert.deepEqual(await undoAll(os, journal.content.steps), []);
    assert.ok(existsSync(engine));
    await rmdir(engine);
  });

  it("share their parent, which is removed with the last of them", async () => {
    const other = await claim("other");
    const made = await makeSandboxCgroups(os, journal, cgroupPathOf(undefined, `${name}.1`));
    await makeSandboxCgroups(os, other, cgroupPathOf(undefined, `${name}.2`));
    assert.deepEqual(await undoAll(os, other.content.steps), []);
    for (const directory of made.relay) assert.ok(existsSync(directory), directory);
  });

  it("are refused if another sandbox has them, which is not affected", async () => {
    const other = await claim("other");
    const made = await makeSandboxCgroups(os, journal, `/${name}/same`);
    const steps = other.content.steps;
    await assert.rejects(makeSandboxCgroups(os, other, `/${name}/same`), (error) => {
      assert.ok(isKumiteError(error, "cgroup/failed"));
      assert.match(error.message, /\/same\/relay exists: another container uses/);
      return true;
    });
    assert.deepEqual(other.content.steps, steps);
    for (const directory of made.relay) assert.ok(existsSync(directory));
  });

  it("are created although their parent is removed in the meantime", async () => {
    let ends = 2;
    const makeDirs: Os["files"]["makeDirs"] = async (directory, mode) => {
      await os.files.makeDirs(directory, mode);
      // This happens when the end of another sandbox removes the parent between the two checks.
      if (ends-- > 0) throw new SystemError("EEXIST", "mkdir", path.dirname(directory));
    };
    const racing: Os = { ...os, files: { ...os.files, makeDirs } };
    const made = await makeSandboxCgroups(racing, journal, `/${name}/raced`);
    for (const directory of made.relay) assert.ok(existsSync(directory));
  });

  it("are in the journal before they are created", async () => {
    const makeDir: Os["files"]["makeDir"] = async (directory, mode) => {
      const steps = journal.content.steps.map((step) => ("path" in step ? step.path : ""));
      assert.ok(steps.includes(directory), directory);
      await os.files.makeDir(directory, mode);
    };
    await makeSandboxCgroups({ ...os, files: { ...os.files, makeDir } }, journal, `/${name}/x`);
  });

  it("have room for a number of processes, or the group that has not is named", async () => {
    const made = await makeSandboxCgroups(os, journal, `/${name}/a/b`);
    const leaf = made.vm.find((directory) => existsSync(`${directory}/pids.max`));
    assert.ok(leaf !== undefined);
    const above = path.dirname(path.dirname(leaf));
    await expectRoomForProcesses(os, made.vm, 3);
    await writeFile(`${above}/pids.max`, "3");
    await expectRoomForProcesses(os, made.vm, 3);
    await assert.rejects(expectRoomForProcesses(os, made.vm, 4), (error) => {
      assert.ok(isKumiteError(error, "cgroup/failed"));
      assert.equal(
        error.message,
        `cgroup ${above} allows 3 more of at most 3 processes and threads, but the shim alone needs 4`,
      );
      return true;
    });
  });

  it("need a hierarchy", async () => {
    const bare: Os = { ...os, mounts: { ...os.mounts, table: async () => [] } };
    await assert.rejects(makeSandboxCgroups(bare, journal, `/${name}/x`), /no cgroup hierarchy is mounted/);
  });
});
