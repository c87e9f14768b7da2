import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import type { ServiceDefinition } from "../protocol/ttrpc/service.ts";
import { relayOciCalls, relayTaskCalls } from "./services.ts";

describe("the calls of a relay", () => {
  it("are those of the generated services", () => {
    const pairs: [ServiceDefinition, ServiceDefinition][] = [
      [relayTaskCalls, TaskDefinition],
      [relayOciCalls, OciDefinition],
    ];
    for (const [ours, generated] of pairs) {
      assert.equal(ours.fullName, generated.fullName);
      for (const [key, { name, requestType, responseType }] of Object.entries(ours.methods)) {
        const whole = generated.methods[key];
        assert.equal(name, whole?.name);
        assert.equal(requestType, whole?.requestType, name);
        assert.equal(responseType, whole?.responseType, name);
      }
    }
  });
});
