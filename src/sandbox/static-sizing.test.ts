import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SizingBase } from "./sizing.ts";
import { staticContainerSizing, staticPodSizing } from "./static-sizing.ts";

const base: SizingBase = { vcpus: 1, maxVcpus: 8, memoryMiB: 2048, maxMemoryMiB: 16_384 };
const cri = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`io.kubernetes.cri.sandbox-${name}`, value]));

describe("a sandbox of a fixed size", () => {
  it("has the size in the annotations of its pod, and no room for more", () => {
    const pod = cri({ "cpu-period": "100000", "cpu-quota": "150000", "cpu-shares": "5000", memory: "1073741824" });
    const sizing = staticPodSizing(base, pod);
    assert.deepEqual(sizing.base, { vcpus: 2.5, maxVcpus: 3, memoryMiB: 3072, maxMemoryMiB: 3072 });
    assert.deepEqual([sizing.workloadVcpus, sizing.workloadMemoryMiB], [1.5, 1024]);
  });

  it("uses the shares of a pod without a quota", () => {
    const shares = cri({ "cpu-period": "100000", "cpu-quota": "-1", "cpu-shares": "1025" });
    assert.equal(staticPodSizing(base, shares).workloadVcpus, 2);
    assert.equal(staticPodSizing(base, cri({ "cpu-shares": "1025" })).workloadVcpus, 0);
  });

  it("has the size of its only container", () => {
    const resources = { cpu: { quota: 200_000, period: 100_000 }, memory: { limit: 128 * 1024 * 1024 } };
    const sizing = staticContainerSizing(base, "one", resources);
    assert.deepEqual(sizing.base, { vcpus: 3, maxVcpus: 3, memoryMiB: 2176, maxMemoryMiB: 2176 });
    assert.equal(staticContainerSizing(base, "one", {}).base.maxVcpus, 1);
  });

  it("ignores unreadable and negative values, and reports the unreadable ones", () => {
    const sizing = staticPodSizing(base, cri({ "cpu-quota": "much", memory: "-5" }));
    assert.deepEqual([sizing.workloadVcpus, sizing.workloadMemoryMiB], [0, 0]);
    assert.match(sizing.notices.join(), /sandbox-cpu-quota is "much", which is not an integer: 0 is used/);
  });

  it("never has more vCPUs than the host allows", () => {
    const large = staticContainerSizing(base, "one", { cpu: { quota: 9_000_000, period: 100_000 } });
    assert.deepEqual([large.base.vcpus, large.base.maxVcpus], [8, 8]);
  });
});
