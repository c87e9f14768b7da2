import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Config, resolveConfig } from "../config/config.ts";
import { bootSizeOf, type SizedContainer, sizingOf } from "./machine-size.ts";

const mib = 1024 * 1024;

function configOf(document: Parameters<typeof resolveConfig>[0]): Config {
  return resolveConfig(document, { installRoot: "/opt/kumite", hostCpus: 8, hostMemoryMiB: 8192 });
}

const web: SizedContainer = {
  id: "web",
  resources: { cpu: { quota: 150_000, period: 100_000 }, memory: { limit: 100 * mib } },
  annotations: undefined,
};
const second: SizedContainer = { ...web, id: "second" };

describe("the size of a VM", () => {
  it("is computed by the rule of the era", () => {
    const vcpus = (era: "1.0" | "1.4" | "1.6" | "3.x") =>
      sizingOf(configOf({ runtime: { config_era: era } }), [web, second]).vcpus;
    assert.deepEqual([vcpus("1.0"), vcpus("1.4"), vcpus("1.6"), vcpus("3.x")], [5, 5, 4, 4]);
  });

  it("begins with the vCPUs of the VM itself and all of the memory", () => {
    assert.deepEqual(bootSizeOf(configOf({}), [web]), { vcpus: 1, allVcpus: 3, memoryMiB: 2148, grows: true });
  });

  it("is that of the pod or of its container permanently, if it must not change", () => {
    const config = configOf({ runtime: { static_sandbox_resource_mgmt: true } });
    assert.deepEqual(bootSizeOf(config, [web]), { vcpus: 3, allVcpus: 3, memoryMiB: 2148, grows: false });
    const annotations = {
      "io.kubernetes.cri.container-type": "sandbox",
      "io.kubernetes.cri.sandbox-cpu-quota": "100000",
      "io.kubernetes.cri.sandbox-cpu-period": "100000",
      "io.kubernetes.cri.sandbox-memory": String(64 * mib),
    };
    const pod = { id: "pod", resources: {}, annotations };
    assert.deepEqual(bootSizeOf(config, [pod]), { vcpus: 2, allVcpus: 2, memoryMiB: 2112, grows: false });
    assert.equal(sizingOf(config, [pod, web]).vcpus, 2);
  });

  it("is no more than the host has", () => {
    const greedy = {
      ...web,
      resources: { cpu: { quota: 9_900_000, period: 100_000 }, memory: { limit: 99_000 * mib } },
    };
    const { vcpus, memoryMiB } = sizingOf(configOf({}), [greedy]);
    assert.deepEqual([vcpus, memoryMiB], [8, 8192]);
  });
});
