/** Whatever values a guest reports, no figure that Kumite prints is negative, wrapped or inexact. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { Metrics } from "../protocol/gen/containerd/cgroups/v2/metrics.ts";
import { StatsContainerResponse } from "../protocol/gen/kata/control.ts";
import { encodeMessage } from "../protocol/ttrpc/service.ts";
import { readStats } from "../sandbox/stats.ts";
import { metricsOf } from "./metrics.ts";
import { statsJson } from "./stats-json.ts";

const largest = 0xffff_ffff_ffff_ffffn;

/** Small values, large values, and values around overflows. */
const counter = fc.oneof(
  fc.bigInt({ min: 0n, max: largest }),
  fc.constantFrom(0n, 1n, 2n ** 53n, 2n ** 63n - 1n, 2n ** 63n, largest - 1n, largest),
);
const usage = fc.record({ usage: counter, maxUsage: counter, failcnt: counter, limit: counter });
const names = fc.constantFrom(
  "file",
  "anon",
  "workingset_refault_anon",
  "workingset_refault_file",
  "workingset_refault",
  "slab",
);
const entry = fc.record({ major: counter, minor: counter, op: fc.constantFrom("Read", "Write"), value: counter });

const answer = fc
  .record({
    cpu: fc.record({ totalUsage: counter, usageInKernelmode: counter, usageInUsermode: counter }),
    throttling: fc.record({ periods: counter, throttledPeriods: counter, throttledTime: counter }),
    memory: usage,
    swap: usage,
    cache: counter,
    raw: fc.array(fc.tuple(names, counter)),
    pids: fc.record({ current: counter, limit: counter }),
    io: fc.array(entry, { maxLength: 4 }),
    pages: usage,
  })
  .map(({ cpu, throttling, memory, swap, cache, raw, pids, io, pages }) =>
    // As received over the wire.
    StatsContainerResponse.decode(
      encodeMessage(StatsContainerResponse, {
        cgroupStats: {
          cpuStats: { cpuUsage: { ...cpu, percpuUsage: [] }, throttlingData: throttling },
          memoryStats: { cache, usage: memory, swapUsage: swap, useHierarchy: true, stats: new Map(raw) },
          pidsStats: pids,
          blkioStats: { ioServiceBytesRecursive: io, ioServicedRecursive: io },
          hugetlbStats: new Map([["2MB", pages]]),
        },
        networkStats: [],
      }),
    ),
  );

function bigints(value: unknown): bigint[] {
  if (typeof value === "bigint") return [value];
  if (value instanceof Map) return [...value.values()].flatMap(bigints);
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(bigints) : [];
}

describe("figures of a container", () => {
  it("are what the guest reports, to the last digit, as JSON", () => {
    fc.assert(
      fc.property(answer, (said) => {
        const stats = readStats(said);
        const text = statsJson(stats);
        for (const [, number = ""] of text.matchAll(/:(-?[0-9.eE+]+)/g)) {
          assert.match(number, /^\d{1,20}$/, text);
          assert.ok(BigInt(number) <= largest, number);
        }
        const exact = said.cgroupStats?.memoryStats?.usage?.limit ?? 0n;
        assert.ok(text.includes(`"limit":${exact}`), text);
      }),
    );
  });

  it("fit into containerd's message, where sums stop at the largest number", () => {
    fc.assert(
      fc.property(answer, (said) => {
        const stats = readStats(said);
        const metrics = Metrics.decode(metricsOf(stats).value);
        for (const value of bigints(metrics)) assert.ok(value >= 0n && value <= largest);
        const refaults = ["workingset_refault", "workingset_refault_anon", "workingset_refault_file"];
        const sum = refaults.reduce((total, name) => total + (stats.memory.raw.get(name) ?? 0n), 0n);
        assert.equal(metrics.memory?.workingsetRefault, sum > largest ? largest : sum);
        assert.equal(metrics.pids?.current, stats.pids.current);
        assert.equal(metrics.memory?.usage, stats.memory.usage.usage);
      }),
    );
  });
});
