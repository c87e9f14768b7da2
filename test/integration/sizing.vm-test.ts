/**
 * A VM is as large as its container asks for, from the start and after every update, and is limited on the host too.
 */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { type Patch, shell } from "../support/bundle.ts";
import { execute, describe as show } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { sandboxProcesses } from "../support/sandbox.ts";
import { cpuHierarchy } from "../support/test-cgroup.ts";
import { onlyKumite, Workplace } from "../support/workplace.ts";

const mib = 1024 * 1024;
const endless = "while :; do sleep 1000; done";

const limited =
  (resources: Record<string, unknown>): Patch =>
  (config) => {
    config.linux.resources = { ...config.linux.resources, ...resources };
  };

const skip = availableParallelism() < 2 ? "this host has one processor" : onlyKumite.skip;

describe("the VM of a container with limits", { skip }, () => {
  let place: Workplace;
  before(async () => {
    place = await Workplace.open("sizing");
  });
  after(() => place[Symbol.asyncDispose]());
  guardAgainstLeftOvers(() => ({ directories: [place.root] }));

  const inside = async (id: string, script: string): Promise<string> =>
    (await place.must(["exec", id, "sh", "-c", script])).stdout.trim();
  const processors = (id: string) => inside(id, "cat /sys/devices/system/cpu/online");
  const memoryMiB = async (id: string) => Number(await inside(id, "awk '/MemTotal/ {print $2}' /proc/meminfo")) / 1024;
  const report = async (id: string) => JSON.parse((await place.must(["sizing", "--json", id])).stdout);

  it("has the size of the container's limits at its start, and after an update", async () => {
    const bundle = await place.bundle(
      shell(endless),
      limited({ cpu: { quota: 100_000, period: 100_000 }, memory: { limit: 64 * mib } }),
    );
    const id = await place.runDetached(bundle);
    assert.equal(await processors(id), "0-1");
    const first = await memoryMiB(id);
    const begun = await report(id);
    assert.deepEqual(begun.vcpus, {
      base: 1,
      workload: 1,
      source: "quota",
      wanted: 2,
      maximum: begun.vcpus.maximum,
      result: 2,
    });
    assert.deepEqual(begun.machine, { vcpus: 2, memoryMiB: 2048 + 64 });

    await place.must(["update", "--memory", "256M", "--cpu-quota", "-1", id]);
    assert.equal(await processors(id), "0");
    assert.ok((await memoryMiB(id)) > first + 150, `${first} and then ${await memoryMiB(id)}`);
    const updated = await report(id);
    assert.equal(updated.machine.vcpus, 1);
    assert.ok(updated.machine.memoryMiB >= 2048 + 256);

    await place.must(["update", "--cpu-quota", "50000", id]);
    assert.equal(await processors(id), "0-1");
    await place.remove(id);
  });

  it("is unchanged when an update is refused", async () => {
    const id = await place.runDetached(await place.bundle(shell(endless)));
    assert.equal(await processors(id), "0");
    const impossible = { cpu: { quota: 100_000, period: 100_000 }, unified: { "cpu.max": "1 1" } };
    const refused = await place.runtime(["update", "-r", "-", id], { stdin: JSON.stringify(impossible) });
    assert.equal(refused.status, 1, show(refused));
    assert.equal(await processors(id), "0");
    const { vcpus, machine } = await report(id);
    assert.deepEqual([vcpus.result, machine.vcpus], [1, 1]);
    await place.remove(id);
  });

  it("keeps its initial size, and the host adds no limits, if the configuration says so", async () => {
    const file = place.path("configuration.toml");
    await writeFile(file, "[runtime]\nstatic_sandbox_resource_mgmt = true\nsandbox_cgroup_only = true\n");
    const quota = { cpu: { quota: 100_000, period: 100_000 }, memory: { limit: 64 * mib } };
    const bundle = await place.bundle(shell(endless), limited(quota));
    const id = place.newId();
    // The container runs in the background and keeps the streams of the verb.
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>&1'];
    const argv = place.argv("--config", file, "run", "--detach", "--bundle", bundle.directory, id);
    assert.equal((await execute([...quiet, "sh", ...argv])).status, 0);
    assert.equal(await processors(id), "0-1");
    await place.must(["update", "--cpu-quota", "-1", "--memory", "512M", id]);
    assert.equal(await processors(id), "0-1");
    const { machine, containers } = await report(id);
    assert.deepEqual([machine, containers], [{ vcpus: 2, memoryMiB: 2112 }, []]);
    if (cpuHierarchy !== undefined) assert.ok(!existsSync(path.join(cpuHierarchy, "kumite", id, "vm", "vcpu")));
    await place.remove(id);
  });

  it("has its vCPUs limited on the host, including those added later", async (t) => {
    if (cpuHierarchy === undefined) {
      t.skip("this host has no version 1 hierarchy with the cpu controller");
      return;
    }
    // Low, because a busy host may give a vCPU no more than half of a CPU anyway.
    const quota = { cpu: { quota: 12_000, period: 100_000 } };
    const id = await place.runDetached(await place.bundle(shell("while :; do :; done"), limited(quota)));
    const group = path.join(cpuHierarchy, "kumite", id, "vm", "vcpu");
    const read = (file: string) => readFileSync(path.join(group, file), "utf8").trim();
    const threads = () => read("tasks").split("\n").map(Number);
    assert.deepEqual([read("cpu.cfs_quota_us"), read("cpu.cfs_period_us")], ["12000", "100000"]);
    const [qemu = 0] = sandboxProcesses(id).get("qemu") ?? [];
    const ofQemu = readdirSync(`/proc/${qemu}/task`).map(Number);
    assert.ok(threads().length === 2 && threads().every((thread) => ofQemu.includes(thread) && thread !== qemu));
    const throttled = () => (/^nr_throttled [1-9]/m.test(read("cpu.stat")) ? true : undefined);
    await eventually("the host throttles it", throttled);
    await place.must(["update", "--cpu-quota", "80000", id]);
    assert.equal(read("cpu.cfs_quota_us"), "80000");
    await place.must(["update", "--cpu-quota", "-1", id]);
    assert.equal(read("cpu.cfs_quota_us"), "-1");
    await place.remove(id);
    assert.equal(existsSync(group), false);
  });

  it("has each vCPU on a host CPU of its own, while the containers' sets name as many", async () => {
    const file = place.path("configuration.toml");
    await writeFile(file, "[runtime]\nenable_vcpus_pinning = true\n");
    // CPUs that this test may use itself: a host may reserve the first ones.
    const own = allowed(readFileSync("/proc/self/status", "utf8")).slice(0, 2);
    const cpu = { quota: 100_000, period: 100_000, cpus: own.join(",") };
    const bundle = await place.bundle(shell(endless), limited({ cpu }));
    const id = place.newId();
    const argv = place.argv("--config", file, "run", "--detach", "--bundle", bundle.directory, id);
    assert.equal((await execute(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...argv])).status, 0);
    const [qemu = 0] = sandboxProcesses(id).get("qemu") ?? [];
    const processorsOf = (task: string): string =>
      /^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${qemu}/task/${task}/status`, "utf8"))?.[1] ?? "";
    const pinned = () => {
      const sets = readdirSync(`/proc/${qemu}/task`).map(processorsOf);
      return sets.filter((set) => /^\d+$/.test(set)).sort();
    };
    assert.deepEqual(pinned(), own.map(String).sort());
    // A set of a host with more CPUs than the VM: only its number counts, and the guest pins nothing.
    await place.must(["update", "--cpuset-cpus", "7", id]);
    assert.deepEqual(pinned(), []);
    assert.equal(await inside(id, "cat /sys/fs/cgroup/cpuset.cpus.effective"), "0-1");
    await place.remove(id);
  });

  it("has the swap that its container asks for, which only grows, and whose files are removed with it", async () => {
    const file = place.path("configuration.toml");
    const uppers = place.path("uppers");
    const lines = [
      "[hypervisor.qemu]",
      "enable_guest_swap = true",
      "[runtime]",
      `rootfs_upper_directory = "${uppers}"`,
    ];
    await writeFile(file, `${lines.join("\n")}\n`);
    const memory = { limit: 64 * mib, swap: 96 * mib, swappiness: 60 };
    const bundle = await place.bundle(shell(endless), limited({ memory }));
    const id = place.newId();
    const argv = place.argv("--config", file, "run", "--detach", "--bundle", bundle.directory, id);
    assert.equal((await execute(["sh", "-c", 'exec "$@" >/dev/null 2>&1', "sh", ...argv])).status, 0);
    const swapMiB = async () => Number(await inside(id, "awk '/SwapTotal/ {print $2}' /proc/meminfo")) / 1024;
    assert.equal(await swapMiB(), 32);
    await place.must(["update", "--memory-swap", `${112 * mib}`, id]);
    assert.equal(await swapMiB(), 48);
    await place.must(["update", "--memory-swap", `${80 * mib}`, id]);
    assert.equal(await swapMiB(), 48);
    assert.equal(readdirSync(uppers).length, 2);
    await place.remove(id);
    assert.deepEqual(readdirSync(uppers), []);
  });
});

/** CPU numbers in the status of a process. */
function allowed(status: string): number[] {
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
