import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { capabilityNumber } from "./capabilities.ts";
import { type Document, minimal, read, refused } from "./container.testing.ts";

describe("a process", () => {
  it("has the capabilities it names; an unknown one grants nothing", () => {
    const capabilities = { bounding: ["CAP_KILL", "cap_chown", "CAP_FUTURE"], effective: ["CAP_KILL"] };
    const plan = read(minimal({}, { capabilities }));
    assert.equal(plan.process.capabilities.bounding, (1n << BigInt(capabilityNumber("CAP_KILL"))) | 1n);
    assert.equal(plan.process.capabilities.effective, 1n << 5n);
    assert.equal(plan.process.capabilities.permitted, 0n);
    assert.equal(plan.notApplied[0], 'unknown capability "CAP_FUTURE"');
  });

  it("lacks capabilities that the kernel cannot give it, which is reported", () => {
    const kill = ["CAP_KILL"];
    const noted = (capabilities: Document) => read(minimal({}, { capabilities })).notApplied;
    assert.deepEqual(noted({ effective: ["CAP_KILL", "CAP_CHOWN"], permitted: kill }), [
      "process.capabilities.effective: CAP_CHOWN, which must also be permitted",
    ]);
    assert.deepEqual(noted({ permitted: kill, ambient: ["CAP_KILL", "CAP_CHOWN"] }), [
      "process.capabilities.ambient: CAP_CHOWN, CAP_KILL, which must also be permitted and inheritable",
    ]);
    assert.deepEqual(noted({ effective: kill, permitted: kill, inheritable: kill, ambient: kill }), []);
  });

  it("has priorities as numbers of the kernel, and is refused for invalid ones", () => {
    const process = (fields: Document) => read(minimal({}, fields)).process;
    const deadline = { policy: "SCHED_DEADLINE", flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_RESET_ON_FORK"] };
    assert.deepEqual(process({ scheduler: { ...deadline, runtime: 5, deadline: 6, period: 7 } }).scheduler, {
      policy: 6,
      flags: 3,
      nice: 0,
      priority: 0,
      runtimeNs: 5n,
      deadlineNs: 6n,
      periodNs: 7n,
    });
    assert.deepEqual(process({ ioPriority: { class: "IOPRIO_CLASS_RT" } }).ioPriority, { class: 1, level: 0 });
    assert.deepEqual(process({ execCPUAffinity: { initial: "7", final: "0-2, 5" } }).affinity, [0, 1, 2, 5]);
    assert.equal(process({ execCPUAffinity: { initial: "7" } }).affinity, undefined);
    const wrong: readonly (readonly [Document, RegExp])[] = [
      [{ scheduler: { policy: "FIFO" } }, /^process\.scheduler\.policy must be one of SCHED_OTHER, .*, not "FIFO"/],
      [{ scheduler: { policy: "SCHED_RR", flags: ["RR"] } }, /^process\.scheduler\.flags\[0\] must be one of/],
      [{ scheduler: { policy: "SCHED_OTHER", nice: 20 } }, /^process\.scheduler\.nice must be from -20 to 19/],
      [{ ioPriority: { class: "IDLE" } }, /^process\.ioPriority\.class must be one of/],
      [{ ioPriority: { class: "IOPRIO_CLASS_BE", priority: 8 } }, /^process\.ioPriority\.priority must be from 0 to 7/],
      [{ execCPUAffinity: { initial: "x" } }, /^process\.execCPUAffinity\.initial is not a list of CPUs .*: "x"/],
      [{ execCPUAffinity: { final: "0-1024" } }, /^process\.execCPUAffinity\.final is not a list of CPUs/],
    ];
    for (const [fields, message] of wrong) assert.throws(() => process(fields), refused(message));
  });

  it("owns its container's cgroup if that is mounted writable", () => {
    const cgroup = (...options: string[]) => ({ destination: "/sys/fs/cgroup", type: "cgroup", options });
    const owner = (mounts: Document[], linux: Document = {}, uid = 7) =>
      read(minimal({ mounts, linux }, { user: { uid, gid: 0 } })).cgroup.owner;
    assert.equal(owner([cgroup("rw", "nosuid")]), 7);
    assert.equal(owner([cgroup("rw")], {}, 0), undefined);
    for (const words of [["ro"], ["rro"]]) assert.equal(owner([cgroup(...words)]), undefined);
    assert.equal(owner([]), undefined);
    const mappings = [{ containerID: 0, hostID: 1000, size: 10 }];
    const mapped = { namespaces: [{ type: "user" }], uidMappings: mappings, gidMappings: mappings };
    assert.deepEqual([owner([cgroup()], mapped), owner([cgroup()], mapped, 0)], [1007, 1000]);
    const joined = { namespaces: [{ type: "cgroup", path: "/proc/1/ns/cgroup" }] };
    assert.equal(owner([cgroup()], joined), undefined);
  });

  it("has limits up to the largest number, which JSON numbers would round", () => {
    const limit = { type: "RLIMIT_CORE", soft: 0, hard: JSON.parse("18446744073709551615") };
    const [rlimit] = read(minimal({}, { rlimits: [limit] })).process.rlimits;
    assert.deepEqual(rlimit, { name: "RLIMIT_CORE", resource: 4, soft: 0n, hard: 0xffff_ffff_ffff_ffffn });
  });
});
