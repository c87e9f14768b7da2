import { describe, it } from "node:test";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import { assertPartOf } from "../protocol/ttrpc/services.testing.ts";
import { relayOciCalls, relayTaskCalls } from "./services.ts";

describe("the calls of a relay", () => {
  it("are those of the generated services", () => {
    assertPartOf(relayTaskCalls, TaskDefinition);
    assertPartOf(relayOciCalls, OciDefinition);
  });
});
