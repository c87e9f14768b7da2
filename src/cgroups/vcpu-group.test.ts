/** Uses this host's cgroups; version 2 is tested in a guest (test/integration/cgroup-v2.vm-test.ts). */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../test/support/node-os.ts";
import { removeCgroup } from "../persist/undo-cgroup.ts";
import type { Os } from "../sys/os.ts";
import { hierarchiesIn } from "./hierarchies.ts";
import { limitVcpus } from "./vcpu-group.ts";

const os = testOs();
const hierarchies = hierarchiesIn(await os.mounts.table());
const cpu = hierarchies.find(({ directory }) => existsSync(`${directory}/cpu.cfs_quota_us`));
const skip = cpu === undefined ? "this host has no version 1 hierarchy with the cpu controller" : false;

describe("the cgroup of a VM's vCPUs, version 1", { skip }, () => {
  let place: string;
  let machine: string[];
  let vmm: ChildProcess;

  beforeEach(async () => {
    place = await mkdtemp(path.join(tmpdir(), "kumite-vcpus-"));
    machine = hierarchies.map(({ directory }) => `${directory}/${path.basename(place)}`);
    for (const directory of machine) await mkdir(directory);
    // A process with several threads.
    vmm = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000); console.log()"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => vmm.stdout?.once("data", resolve));
    for (const directory of machine) await os.files.write(`${directory}/cgroup.procs`, String(vmm.pid));
  });
  afterEach(async () => {
    for (const directory of machine) await removeCgroup(os, directory, new AbortController().signal);
    assert.deepEqual(
      machine.filter((directory) => existsSync(directory)),
      [],
    );
    await rm(place, { recursive: true });
  });

  const group = () => `${cpu?.directory}/${path.basename(place)}/vcpu`;
  const read = (file: string): string => readFileSync(`${group()}/${file}`, "utf8").trim();
  const threadsOf = async (pid: number | undefined): Promise<number[]> =>
    (await os.files.list(`/proc/${pid}/task`)).map(Number);

  it("has only these threads, and the limit", async () => {
    const [, second = 0, third = 0] = await threadsOf(vmm.pid);
    const result = await limitVcpus(os, machine, [second, third, 0, -1], { quotaUs: 9000, periodUs: 10_000 });
    assert.deepEqual(result, { kind: "limited", directory: group() });
    assert.deepEqual(read("tasks").split("\n").map(Number).sort(), [second, third].sort());
    assert.deepEqual([read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")], ["9000", "10000"]);
  });

  it("follows changes of threads and limit, and skips threads that have ended", async () => {
    const [, second = 0, third = 0] = await threadsOf(vmm.pid);
    await limitVcpus(os, machine, [second], { quotaUs: 200_000, periodUs: 100_000 });
    await limitVcpus(os, machine, [second, third, 4_000_000], { quotaUs: 30_000, periodUs: 20_000 });
    assert.equal(read("tasks").split("\n").length, 2);
    assert.deepEqual([read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")], ["30000", "20000"]);
    assert.deepEqual(await limitVcpus(os, machine, [second], undefined), { kind: "unlimited" });
    assert.equal(read("cpu.cfs_quota_us"), "-1");
  });

  it("is not created while there is no limit", async () => {
    assert.deepEqual(await limitVcpus(os, machine, [1], undefined), { kind: "unlimited" });
    assert.equal(existsSync(group()), false);
  });

  it("cannot allow more than a group above it, which is reported", async () => {
    const parent = path.dirname(group());
    await os.files.write(`${parent}/cpu.cfs_quota_us`, "20000");
    const result = await limitVcpus(os, machine, [], { quotaUs: 90_000, periodUs: 100_000 });
    assert.deepEqual(result, { kind: "not-enforced", why: "a parent cgroup has a lower limit" });
  });

  it("is not used if no hierarchy has the controller, which is reported: the limit then holds only in the guest", async () => {
    const bare: Os = { ...os, mounts: { ...os.mounts, table: async () => [] } };
    const others = machine.filter((directory) => !existsSync(`${directory}/cpu.cfs_quota_us`));
    const result = await limitVcpus(bare, others, [], { quotaUs: 90_000, periodUs: 100_000 });
    assert.equal(result.kind, "not-enforced");
  });
});
