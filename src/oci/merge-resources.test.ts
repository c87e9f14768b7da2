import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeResources } from "./merge-resources.ts";

describe("resources after an update", () => {
  it("have the new values that it names, and otherwise the old ones", () => {
    const old = { memory: { limit: 100, swap: 200 }, cpu: { shares: 5, cpus: "0" }, pids: { limit: 7 } };
    const update = { memory: { limit: 50, swap: 0 }, cpu: { quota: 3, cpus: "", idle: 0 } };
    assert.deepEqual(mergeResources(old, update), {
      memory: { limit: 50, swap: 200 },
      cpu: { shares: 5, cpus: "0", quota: 3, idle: 0 },
      pids: { limit: 7 },
    });
    assert.deepEqual(mergeResources(old, {}), old);
    assert.deepEqual(mergeResources({}, { pids: { limit: -1 } }), { pids: { limit: -1 } });
  });

  it("have their lists merged by the subject of the items", () => {
    const device = { major: 8, minor: 0 };
    const old = {
      hugepageLimits: [
        { pageSize: "2MB", limit: 1 },
        { pageSize: "1GB", limit: 2 },
      ],
      blockIO: { weight: 10, throttleReadBpsDevice: [{ ...device, rate: 5 }] },
      unified: { "memory.high": "1" },
    };
    const update = {
      hugepageLimits: [{ pageSize: "2MB", limit: 9 }],
      blockIO: { weight: 0, throttleReadBpsDevice: [{ ...device, rate: 0 }], throttleWriteBpsDevice: [] },
      unified: { "pids.max": "5" },
    };
    assert.deepEqual(mergeResources(old, update), {
      hugepageLimits: [
        { pageSize: "2MB", limit: 9 },
        { pageSize: "1GB", limit: 2 },
      ],
      blockIO: { weight: 10, throttleReadBpsDevice: [{ ...device, rate: 0 }], throttleWriteBpsDevice: [] },
      unified: { "memory.high": "1", "pids.max": "5" },
    });
  });
});
