import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { sizeOfCpuSet } from "./cpu-set-size.ts";
import { explainSizing, reportOf } from "./explain-sizing.ts";
import { type Demand, demandOf, type SizingBase, type SizingRule, sizeSandbox } from "./sizing.ts";

const base: SizingBase = { vcpus: 1, maxVcpus: 16, memoryMiB: 2048, maxMemoryMiB: 16_384 };
const mib = 1024 * 1024;

const half: Demand = { id: "half", cpuQuotaUs: 50_000, cpuPeriodUs: 100_000 };
const vcpus = (rule: SizingRule, demands: readonly Demand[], from: Partial<SizingBase> = {}) =>
  sizeSandbox(rule, { ...base, ...from }, demands).vcpus;

describe("the size of a sandbox", () => {
  it("is that of the configuration if nothing has a limit", () => {
    for (const rule of ["per-container", "whole-sandbox", "fractional"] as const) {
      const { vcpus, memoryMiB } = sizeSandbox(rule, base, [{ id: "free" }]);
      assert.deepEqual({ vcpus, memoryMiB }, { vcpus: 1, memoryMiB: 2048 });
    }
  });

  it("counts two halves of a CPU as one, since containers are not rounded separately", () => {
    assert.equal(vcpus("per-container", [half, half]), 3);
    assert.equal(vcpus("whole-sandbox", [half, half]), 2);
    assert.equal(vcpus("fractional", [half, half]), 2);
  });

  it("rounds a fractional base and a fractional workload once", () => {
    const quarter: Demand = { id: "quarter", cpuQuotaUs: 25_000, cpuPeriodUs: 100_000 };
    assert.equal(vcpus("fractional", [quarter], { vcpus: 0.5 }), 1);
    assert.equal(vcpus("whole-sandbox", [quarter]), 2);
  });

  it("is not made larger by the rounding of binary fractions", () => {
    const cpus = (thousandths: number): Demand => ({ id: "c", cpuQuotaUs: thousandths, cpuPeriodUs: 1000 });
    assert.equal(vcpus("fractional", [cpus(100), cpus(200), cpus(700)], { vcpus: 1 }), 2);
    assert.equal(vcpus("fractional", [cpus(1100), cpus(1900)], { vcpus: 0 }), 3);
    assert.equal(vcpus("fractional", [cpus(1001)], { vcpus: 0 }), 2);
  });

  it("ignores containers without a limit, or with half of one", () => {
    for (const demand of [
      { id: "c", cpuQuotaUs: -1, cpuPeriodUs: 100_000 },
      { id: "c", cpuQuotaUs: 50_000 },
      { id: "c", cpuQuotaUs: 50_000, cpuPeriodUs: 0 },
    ]) {
      assert.equal(vcpus("fractional", [demand]), 1);
      assert.equal(vcpus("whole-sandbox", [demand]), 1);
    }
  });

  it("follows the CPU sets if nothing has a quota", () => {
    const set: Demand = { id: "set", cpus: "0-2,5" };
    assert.equal(vcpus("fractional", [set]), 5);
    assert.equal(vcpus("whole-sandbox", [set, { id: "other", cpus: "1" }]), 6);
    assert.equal(vcpus("per-container", [set]), 1);
    assert.equal(vcpus("fractional", [set, half]), 2);
  });

  it("has no workload if a CPU set cannot be parsed", () => {
    const sizing = sizeSandbox("fractional", base, [half, { id: "odd", cpus: "0-x" }]);
    assert.equal(sizing.vcpus, 1);
    assert.deepEqual(sizing.workloadSource, { kind: "unreadable-cpuset", id: "odd" });
  });

  it("is the memory of the base, the limits and the huge pages", () => {
    const demands = [
      demandOf("a", { memory: { limit: 64 * mib }, hugepageLimits: [{ pageSize: "2MB", limit: 16 * mib }] }),
      demandOf("b", { memory: { limit: -1 } }),
      demandOf("c", { memory: { limit: 1.5 * mib } }),
      demandOf("unlimited", { memory: { limit: 2 ** 63 } }),
    ];
    assert.equal(sizeSandbox("fractional", base, demands).memoryMiB, 2048 + 64 + 16 + 1);
    assert.equal(sizeSandbox("per-container", base, demands).memoryMiB, 2048 + 65);
  });

  it("stays between base and maximum, and grows with what is requested", () => {
    const demand = fc.record(
      {
        id: fc.constant("c"),
        cpuQuotaUs: fc.integer({ min: -1, max: 10_000_000 }),
        cpuPeriodUs: fc.integer({ min: 0, max: 1_000_000 }),
        cpus: fc.constantFrom("0", "0-3", "1,2", "7-9"),
        memoryBytes: fc.integer({ min: -1, max: 2 ** 40 }),
        hugePageBytes: fc.integer({ min: 0, max: 2 ** 33 }),
      },
      { requiredKeys: ["id"] },
    );
    const rules = fc.constantFrom<SizingRule>("per-container", "whole-sandbox", "fractional");
    const bases = fc.record({
      vcpus: fc.double({ min: 0.1, max: 8, noNaN: true }),
      maxVcpus: fc.integer({ min: 8, max: 64 }),
      memoryMiB: fc.integer({ min: 256, max: 4096 }),
      maxMemoryMiB: fc.integer({ min: 4096, max: 65_536 }),
    });
    fc.assert(
      fc.property(rules, bases, fc.array(demand, { maxLength: 6 }), demand, (rule, from, demands, more) => {
        const size = sizeSandbox(rule, from, demands);
        assert.ok(size.vcpus >= from.vcpus && size.vcpus <= from.maxVcpus && Number.isInteger(size.vcpus));
        assert.ok(size.memoryMiB >= from.memoryMiB && size.memoryMiB <= from.maxMemoryMiB);
        assert.ok(Number.isInteger(size.memoryMiB));
        const larger = sizeSandbox(rule, from, [...demands, more]);
        assert.ok(larger.memoryMiB >= size.memoryMiB);
        // A first quota replaces the cpusets as the source, so sizes are comparable only if the source is the same.
        if (larger.workloadSource.kind === size.workloadSource.kind) assert.ok(larger.vcpus >= size.vcpus);
      }),
    );
  });
});

describe("the explanation of a size", () => {
  it("shows the formula with its numbers", () => {
    const sizing = sizeSandbox("fractional", { ...base, maxVcpus: 2 }, [
      { id: "web", cpuQuotaUs: 150_000, cpuPeriodUs: 100_000, memoryBytes: 64 * mib },
    ]);
    assert.deepEqual(explainSizing(reportOf(sizing, { vcpus: 2, memoryMiB: 2112 })), [
      "rule: fractional (everything is summed, then rounded up once)",
      "vcpus: ceil(default_vcpus 1 + 1.5) = 3, at most 2: 2",
      "  web: quota 150000 / period 100000 = 1.5",
      "memory: default_memory 2048 MiB + 64 MiB = 2112 MiB",
      "  web: 67108864 bytes = 64 MiB",
      "VM: 2 vcpus, 2112 MiB",
    ]);
    const report = reportOf(sizing);
    assert.deepEqual([report.vcpus.wanted, report.vcpus.result, report.memoryMiB.result], [3, 2, 2112]);
    assert.equal("machine" in report, false);
  });
});

describe("the size of a CPU set", () => {
  it("counts each CPU once", () => {
    assert.deepEqual(["", "0", "0-3,7", "3,1,1-2", " 0 , 2 "].map(sizeOfCpuSet), [0, 1, 5, 3, 2]);
  });

  it("is unknown for an invalid set", () => {
    for (const text of ["x", "1-", "3-1", "0,,1", "-1", "0-99999", "0-9999999"]) {
      assert.equal(sizeOfCpuSet(text), undefined, text);
    }
  });
});
