import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Metrics } from "../protocol/gen/containerd/cgroups/v2/metrics.ts";
import { StatsContainerResponse } from "../protocol/gen/kata/control.ts";
import { readStats } from "../sandbox/stats.ts";
import { metricsOf } from "./metrics.ts";
import { statsJson } from "./stats-json.ts";

const most = 2n ** 64n - 1n;

const answer = (change: (response: StatsContainerResponse) => void = () => {}): StatsContainerResponse => {
  const response = StatsContainerResponse.fromPartial({
    cgroupStats: {
      cpuStats: {
        cpuUsage: { totalUsage: 7000n, usageInKernelmode: 3000n, usageInUsermode: 4000n },
        throttlingData: { periods: 2n, throttledPeriods: 1n, throttledTime: 5000n },
      },
      memoryStats: {
        cache: 10n,
        usage: { usage: 100n, maxUsage: 150n, limit: 1000n },
        swapUsage: { usage: 5n, limit: most },
        stats: new Map([
          ["file", 10n],
          ["anon", most],
        ]),
      },
      pidsStats: { current: 3n, limit: 0n },
      blkioStats: {
        ioServiceBytesRecursive: [
          { major: 8n, minor: 0n, op: "Read", value: 512n },
          { major: 8n, minor: 0n, op: "Write", value: 0n },
        ],
        ioServicedRecursive: [{ major: 8n, minor: 0n, op: "Read", value: 1n }],
      },
      hugetlbStats: new Map([["2MB", { usage: 4096n, maxUsage: 0n, failcnt: 2n }]]),
    },
    networkStats: [
      { name: "lo", rxBytes: 1n },
      { name: "eth0", rxBytes: 77n },
    ],
  });
  change(response);
  return response;
};

describe("statistics of a container", () => {
  it("are printed key by key as runc prints them, with exact numbers", () => {
    assert.equal(
      statsJson(readStats(answer())),
      '{"cpu":{"usage":{"total":7000,"kernel":3000,"user":4000},' +
        '"throttling":{"periods":2,"throttledPeriods":1,"throttledTime":5000}},' +
        '"cpuset":{"cpu_exclusive":0,"mem_hardwall":0,"mem_exclusive":0,"memory_migrate":0,"memory_spread_page":0,' +
        '"memory_spread_slab":0,"memory_pressure":0,"sched_load_balance":0,"sched_relax_domain_level":0},' +
        '"memory":{"cache":10,"usage":{"limit":1000,"usage":100,"max":150,"failcnt":0},' +
        '"swap":{"limit":18446744073709551615,"usage":105,"failcnt":0},"kernel":{"limit":0,"failcnt":0},' +
        '"kernelTCP":{"limit":0,"failcnt":0},"raw":{"anon":18446744073709551615,"file":10}},' +
        '"pids":{"current":3},"blkio":{"ioServiceBytesRecursive":[{"major":8,"op":"Read","value":512},' +
        '{"major":8,"op":"Write"}],"ioServicedRecursive":[{"major":8,"op":"Read","value":1}]},' +
        '"hugetlb":{"2MB":{"usage":4096,"failcnt":2}},"intel_rdt":{},"network_interfaces":[{"Name":"eth0",' +
        '"RxBytes":77,"RxPackets":0,"RxErrors":0,"RxDropped":0,"TxBytes":0,"TxPackets":0,"TxErrors":0,"TxDropped":0}]}',
    );
  });

  it("are printed even if the guest reports nothing", () => {
    const data = JSON.parse(statsJson(readStats(StatsContainerResponse.create()))) as Record<string, unknown>;
    assert.deepEqual(data.pids, {});
    assert.equal(data.network_interfaces, null);
    assert.ok(JSON.stringify(data.cpu).includes('"usage":{"kernel":0,"user":0}'));
  });

  it("omit invalid names and impossible numbers", () => {
    const stats = readStats(
      answer(({ cgroupStats, networkStats }) => {
        const raw = cgroupStats?.memoryStats?.stats;
        for (const name of ["__proto__", "a b", "\u001b[31m", "x".repeat(65), ""]) raw?.set(name, 1n);
        for (let i = 0; i < 1000; i++) raw?.set(`extra_${i}`, 1n);
        cgroupStats?.hugetlbStats.set("../2MB", { usage: 1n, maxUsage: 0n, failcnt: 0n });
        const io = cgroupStats?.blkioStats?.ioServiceBytesRecursive;
        io?.push({ major: most, minor: 0n, op: "Read", value: 1n }, { major: 8n, minor: 0n, op: "\nRead", value: 1n });
        const [lo] = networkStats;
        if (lo !== undefined) networkStats.push({ ...lo, name: "eth0\n" }, { ...lo, name: "x".repeat(16) });
      }),
    );
    assert.equal(stats.memory.raw.size, 256);
    assert.ok([...stats.memory.raw.keys()].every((name) => /^[a-z0-9_]+$/.test(name) && name !== "__proto__"));
    assert.deepEqual([...stats.hugePages.keys()], ["2MB"]);
    assert.equal(stats.ioBytes.length, 2);
    assert.deepEqual(
      stats.interfaces.map(({ name }) => name),
      ["eth0"],
    );
  });

  it("reach containerd in its message for version 2", () => {
    const { typeUrl, value } = metricsOf(readStats(answer()));
    assert.equal(typeUrl, "io.containerd.cgroups.v2.Metrics");
    const metrics = Metrics.decode(value);
    assert.deepEqual(metrics.cpu, {
      usageUsec: 7n,
      userUsec: 4n,
      systemUsec: 3n,
      nrPeriods: 2n,
      nrThrottled: 1n,
      throttledUsec: 5n,
    });
    assert.deepEqual([metrics.memory?.anon, metrics.memory?.usage, metrics.memory?.swapLimit], [most, 100n, most]);
    assert.deepEqual(metrics.io?.usage, [{ major: 8n, minor: 0n, rbytes: 512n, wbytes: 0n, rios: 1n, wios: 0n }]);
    assert.deepEqual(metrics.pids, { current: 3n, limit: 0n });
  });
});
