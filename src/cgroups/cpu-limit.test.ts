import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { enforceable, mergeCpuLimits } from "./cpu-limit.ts";

describe("the CPU limit of a sandbox", () => {
  it("adds up all containers in the period of the first", () => {
    assert.deepEqual(
      mergeCpuLimits([
        { quota: 5000, period: 10_000 },
        { quota: 40, period: 100 },
      ]),
      { quotaUs: 9000, periodUs: 10_000 },
    );
  });

  it("is none when no container has one; containers without one add nothing", () => {
    assert.equal(mergeCpuLimits([{}, { quota: -1, period: 100_000 }, { quota: 5 }, { period: 5 }]), undefined);
    assert.deepEqual(mergeCpuLimits([{}, { quota: 5000, period: 10_000 }, { quota: -1, period: 100 }]), {
      quotaUs: 5000,
      periodUs: 10_000,
    });
  });

  it("is one that the kernel accepts and a guest can work with", () => {
    assert.deepEqual(enforceable({ quotaUs: 1000, periodUs: 100_000 }), { quotaUs: 10_000, periodUs: 100_000 });
    assert.deepEqual(enforceable({ quotaUs: 200, periodUs: 1000 }), { quotaUs: 1000, periodUs: 1000 });
    assert.deepEqual(enforceable({ quotaUs: 50_000, periodUs: 100_000 }), { quotaUs: 50_000, periodUs: 100_000 });
  });

  it("is never below that of any container, and a whole number", () => {
    const demand = fc.record({ quota: fc.integer({ min: 1, max: 1e9 }), period: fc.integer({ min: 1, max: 1e6 }) });
    fc.assert(
      fc.property(fc.array(demand, { minLength: 1, maxLength: 5 }), (demands) => {
        const merged = mergeCpuLimits(demands);
        assert.ok(merged !== undefined && Number.isInteger(merged.quotaUs));
        const share = merged.quotaUs / merged.periodUs;
        for (const { quota, period } of demands)
          assert.ok(share + demands.length / merged.periodUs >= quota / period - 1e-9);
      }),
    );
  });
});
