import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isKumiteError } from "../../util/errors.ts";
import { readCgroupPath } from "./cgroup-path.ts";
import { readCgroupSettings } from "./cgroup-settings.ts";
import { Fields } from "./fields.ts";

/** With `files`, reads an update. */
const settingsOf = (resources: unknown, files?: Readonly<Record<string, string>>) => {
  const noted: string[] = [];
  const settings = readCgroupSettings(new Fields(resources, "linux.resources"), {
    notApplied: (phrase) => noted.push(phrase),
    ...(files !== undefined && { current: (file: string) => files[file] }),
  });
  const shown = settings.flatMap(({ file, value, instead }) => [
    `${file}=${value}`,
    ...(instead === undefined ? [] : [`or ${instead.file}=${instead.value}`]),
  ]);
  return { settings: shown, noted };
};
const invalid = (message: RegExp) => (error: unknown) =>
  isKumiteError(error, "oci/spec-invalid") && message.test(error.message);

describe("the path of a container's cgroup", () => {
  it("follows the forms of cgroupsPath", () => {
    assert.equal(readCgroupPath(undefined, "web"), "/kumite/web");
    assert.equal(readCgroupPath("", "web"), "/kumite/web");
    assert.equal(readCgroupPath("/a//b/", "web"), "/a/b");
    assert.equal(readCgroupPath("pod/web", "web"), "/kumite/pod/web");
    assert.equal(readCgroupPath("machine.slice:libpod:web", "web"), "/machine.slice/libpod-web.scope");
    assert.equal(readCgroupPath("::web", "web"), "/system.slice/web.scope");
  });

  it("is never the root, a cgroup of the agent's own or outside", () => {
    for (const path of ["/", "//", "/agent", "/agent/x", "/ready", "/ready/x", "/a/../b", "../x", "a/.."]) {
      assert.throws(() => readCgroupPath(path, "web"), invalid(/^linux\.cgroupsPath /), path);
    }
  });
});

describe("resources on a version 2 hierarchy", () => {
  it("convert memory, with swap counted separately", () => {
    assert.deepEqual(settingsOf({ memory: { limit: 67108864, swap: 100663296, reservation: 1048576 } }).settings, [
      "memory.swap.max=33554432",
      "memory.max=67108864",
      "memory.low=1048576",
    ]);
    assert.deepEqual(settingsOf({ memory: { limit: -1, swap: -1 } }).settings, [
      "memory.swap.max=max",
      "memory.max=max",
    ]);
    assert.deepEqual(settingsOf({ memory: { swap: 0 } }).settings, ["memory.swap.max=0"]);
    assert.deepEqual(settingsOf({ memory: { limit: 4096, swap: 0 } }).settings, ["memory.max=4096"]);
    assert.deepEqual(settingsOf({ memory: { limit: -1 } }).settings, ["memory.swap.max=max", "memory.max=max"]);
    assert.deepEqual(settingsOf({ memory: { limit: 4096, swap: 4096 } }).settings, [
      "memory.swap.max=0",
      "memory.max=4096",
    ]);
  });

  it("refuse a swap limit without a memory limit, or below it", () => {
    assert.throws(() => settingsOf({ memory: { swap: 5 } }), invalid(/memory\.swap needs a memory limit/));
    assert.throws(() => settingsOf({ memory: { limit: 9, swap: 5 } }), invalid(/memory\.swap is below/));
    assert.throws(() => settingsOf({ memory: { limit: -1, swap: 5 } }), invalid(/memory\.swap needs a memory limit/));
  });

  it("refuse a limit below what is in use, if that is to be checked", () => {
    const inUse = { "memory.current": "5000" };
    const check = (memory: object) => () => settingsOf({ memory: { ...memory, checkBeforeUpdate: true } }, inUse);
    assert.throws(check({ limit: 5000 }), invalid(/memory\.limit is not above the memory in use.*5000 <= 5000/));
    assert.throws(check({ limit: 4000, swap: 9000 }), invalid(/memory\.limit/));
    assert.deepEqual(check({ limit: 5001 })().settings, ["memory.max=5001"]);
    assert.deepEqual(settingsOf({ memory: { limit: 1 } }, inUse).settings, ["memory.max=1"]);
  });

  it("keep the other half of a pair that an update does not name", () => {
    const files = { "cpu.max": "30000 50000", "memory.max": "1000" };
    assert.deepEqual(settingsOf({ cpu: { quota: 20000 } }, files).settings, ["cpu.max=20000 50000"]);
    assert.deepEqual(settingsOf({ cpu: { period: 60000, quota: 0 } }, files).settings, ["cpu.max=30000 60000"]);
    assert.deepEqual(settingsOf({ memory: { swap: 1500 } }, files).settings, ["memory.swap.max=500"]);
    const zeros = { memory: { limit: 0, swap: 0 }, cpu: { shares: 0, quota: 0, cpus: "" }, blockIO: { weight: 0 } };
    assert.deepEqual(settingsOf({ ...zeros, pids: { limit: 0 } }, files).settings, []);
  });

  it("convert CPU shares, quota and period", () => {
    assert.deepEqual(settingsOf({ cpu: { shares: 1024, quota: 50000, period: 100000 } }).settings, [
      "cpu.weight=39",
      "cpu.max=50000 100000",
    ]);
    assert.deepEqual(settingsOf({ cpu: { quota: -1 } }).settings, ["cpu.max=max 100000"]);
    assert.deepEqual(settingsOf({ cpu: { cpus: "0-1", mems: "0" } }).settings, ["cpuset.cpus=0-1", "cpuset.mems=0"]);
  });

  it("remove the burst while the quota changes, and keep the weight of an idle cgroup", () => {
    assert.deepEqual(settingsOf({ cpu: { quota: 1000, burst: 500 } }).settings, [
      "cpu.max.burst=0",
      "cpu.max=1000 100000",
      "cpu.max.burst=500",
    ]);
    assert.deepEqual(settingsOf({ cpu: { burst: 0 } }).settings, ["cpu.max.burst=0"]);
    assert.deepEqual(settingsOf({ cpu: { shares: 2, idle: 1 } }).settings, ["cpu.weight=1", "cpu.idle=1"]);
    assert.deepEqual(settingsOf({ cpu: { shares: 2, idle: 0 } }).settings, ["cpu.idle=0", "cpu.weight=1"]);
    assert.throws(() => settingsOf({ cpu: { idle: 2 } }), invalid(/cpu\.idle must be from 0 to 1/));
  });

  it("keep shares within the kernel's range of weights", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (shares) => {
        const weight = Number(settingsOf({ cpu: { shares } }).settings[0]?.split("=")[1]);
        assert.ok(weight >= 1 && weight <= 10_000);
      }),
    );
  });

  it("limit pids; a limit that is not positive means none", () => {
    assert.deepEqual(settingsOf({ pids: { limit: 32 } }).settings, ["pids.max=32"]);
    assert.deepEqual(settingsOf({ pids: { limit: -1 } }).settings, ["pids.max=max"]);
    assert.deepEqual(settingsOf({}).settings, []);
  });

  it("convert weights of devices for both I/O schedulers, and throttles", () => {
    const device = { major: 8, minor: 16 };
    const io = {
      weight: 10,
      weightDevice: [{ ...device, weight: 1000 }],
      throttleReadBpsDevice: [{ ...device, rate: 1048576 }],
      throttleWriteIOPSDevice: [{ ...device, rate: 0 }],
    };
    assert.deepEqual(settingsOf({ blockIO: io }).settings, [
      "io.bfq.weight=10",
      "or io.weight=1",
      "io.bfq.weight=8:16 1000",
      "or io.weight=8:16 10000",
      "io.max=8:16 rbps=1048576",
      "io.max=8:16 wiops=max",
    ]);
    assert.throws(() => settingsOf({ blockIO: { weight: 9 } }), invalid(/blockIO\.weight must be from 10 to 1000/));
    const nameless = { throttleReadBpsDevice: [{ major: 8, rate: 1 }] };
    assert.throws(() => settingsOf({ blockIO: nameless }), invalid(/throttleReadBpsDevice\[0\]\.minor is missing/));
  });

  it("limit huge pages and RDMA devices by name", () => {
    assert.deepEqual(settingsOf({ hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] }).settings, [
      "hugetlb.2MB.max=4194304",
      "hugetlb.2MB.rsvd.max=4194304",
    ]);
    assert.throws(
      () => settingsOf({ hugepageLimits: [{ pageSize: "../x", limit: 1 }] }),
      invalid(/hugepageLimits\[0\]\.pageSize is not a page size/),
    );
    assert.deepEqual(settingsOf({ rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } } }).settings, [
      "rdma.max=mlx5_1 hca_handle=3 hca_object=10000",
    ]);
    assert.throws(
      () => settingsOf({ rdma: { "a b": { hcaHandles: 3 } } }),
      invalid(/rdma has an invalid device name: "a b"/),
    );
  });

  it("write the lines of unified last, each separately, and only to resource files", () => {
    assert.deepEqual(settingsOf({ pids: { limit: 5 }, unified: { "pids.max": "7", "io.max": "a\nb\n" } }).settings, [
      "pids.max=5",
      "pids.max=7",
      "io.max=a",
      "io.max=b",
    ]);
    for (const file of ["../x", "cgroup.procs", "a/b", ".hidden", "memory", "NOT-A-VALID-KEY"]) {
      const named = `linux.resources.unified[${JSON.stringify(file)}] `;
      assert.throws(
        () => settingsOf({ unified: { [file]: "1" } }),
        (error) => isKumiteError(error, "oci/spec-invalid") && error.message.startsWith(named),
        file,
      );
    }
  });

  it("report what they do not apply", () => {
    const memory = { kernel: 1, kernelTCP: 0, swappiness: 60, disableOOMKiller: true, useHierarchy: true };
    const { noted, settings } = settingsOf({
      network: { classID: 1 },
      memory,
      cpu: { realtimeRuntime: 5 },
    });
    assert.deepEqual(settings, []);
    assert.deepEqual(noted, [
      "linux.resources.network",
      "linux.resources.memory.kernel",
      "linux.resources.memory.swappiness",
      "linux.resources.memory.disableOOMKiller",
      "linux.resources.cpu.realtimeRuntime",
    ]);
  });
});
