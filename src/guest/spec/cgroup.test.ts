import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isKumiteError } from "../../util/errors.ts";
import { readCgroupPath } from "./cgroup-path.ts";
import { readCgroupSettings } from "./cgroup-settings.ts";
import { Fields } from "./fields.ts";

const settingsOf = (resources: unknown) => {
  const noted: string[] = [];
  const settings = readCgroupSettings(new Fields(resources, "linux.resources"), (phrase) => noted.push(phrase));
  return { settings: settings.map(({ file, value }) => `${file}=${value}`), noted };
};
const invalid = (message: RegExp) => (error: unknown) =>
  isKumiteError(error, "oci/spec-invalid") && message.test(error.message);

describe("a container's place in the hierarchy", () => {
  it("follows the forms of cgroupsPath", () => {
    assert.equal(readCgroupPath(undefined, "web"), "/kumite/web");
    assert.equal(readCgroupPath("", "web"), "/kumite/web");
    assert.equal(readCgroupPath("/a//b/", "web"), "/a/b");
    assert.equal(readCgroupPath("pod/web", "web"), "/kumite/pod/web");
    assert.equal(readCgroupPath("machine.slice:libpod:web", "web"), "/machine.slice/libpod-web.scope");
    assert.equal(readCgroupPath("::web", "web"), "/system.slice/web.scope");
  });

  it("is never the root, the agent's own cgroup or outside", () => {
    for (const path of ["/", "//", "/agent", "/agent/x", "/a/../b", "../x", "a/.."]) {
      assert.throws(() => readCgroupPath(path, "web"), invalid(/^linux\.cgroupsPath /), path);
    }
  });
});

describe("resources on a version 2 hierarchy", () => {
  it("convert memory, with swap counted apart", () => {
    assert.deepEqual(settingsOf({ memory: { limit: 67108864, swap: 100663296, reservation: 1048576 } }).settings, [
      "memory.max=67108864",
      "memory.swap.max=33554432",
      "memory.low=1048576",
    ]);
    assert.deepEqual(settingsOf({ memory: { limit: -1, swap: -1 } }).settings, [
      "memory.max=max",
      "memory.swap.max=max",
    ]);
  });

  it("refuse a swap limit that no memory limit goes with, or that lies below it", () => {
    assert.throws(() => settingsOf({ memory: { swap: 5 } }), invalid(/memory\.swap needs a memory limit/));
    assert.throws(() => settingsOf({ memory: { limit: 9, swap: 5 } }), invalid(/memory\.swap is below/));
  });

  it("convert the processor's share, quota and period", () => {
    assert.deepEqual(settingsOf({ cpu: { shares: 1024, quota: 50000, period: 100000 } }).settings, [
      "cpu.weight=39",
      "cpu.max=50000 100000",
    ]);
    assert.deepEqual(settingsOf({ cpu: { quota: -1 } }).settings, ["cpu.max=max 100000"]);
    assert.deepEqual(settingsOf({ cpu: { cpus: "0-1", mems: "0" } }).settings, ["cpuset.cpus=0-1", "cpuset.mems=0"]);
  });

  it("keep every share within the kernel's range of weights", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (shares) => {
        const weight = Number(settingsOf({ cpu: { shares } }).settings[0]?.split("=")[1]);
        assert.ok(weight >= 1 && weight <= 10_000);
      }),
    );
  });

  it("limit pids, where not positive means no limit", () => {
    assert.deepEqual(settingsOf({ pids: { limit: 32 } }).settings, ["pids.max=32"]);
    assert.deepEqual(settingsOf({ pids: { limit: -1 } }).settings, ["pids.max=max"]);
    assert.deepEqual(settingsOf({}).settings, []);
  });

  it("write what unified says last, and only to files of resources", () => {
    assert.deepEqual(settingsOf({ pids: { limit: 5 }, unified: { "pids.max": "7" } }).settings, [
      "pids.max=5",
      "pids.max=7",
    ]);
    for (const file of ["../x", "cgroup.procs", "a/b", ".hidden"]) {
      assert.throws(() => settingsOf({ unified: { [file]: "1" } }), invalid(/has no resource of that name/), file);
    }
  });

  it("say what they do not apply", () => {
    const { noted } = settingsOf({ devices: [{ allow: false, access: "rwm" }], blockIO: { weight: 10 } });
    assert.deepEqual(noted, ["device rules (linux.resources.devices)", "linux.resources.blockIO"]);
  });
});
