import { describe, it } from "node:test";
import { TaskDefinition } from "../protocol/gen/containerd/task/shim.ts";
import { OciDefinition } from "../protocol/gen/kumite/oci/v1/oci.ts";
import { assertPartOf } from "../protocol/ttrpc/services.testing.ts";
import { ociCalls, taskCalls } from "./services.ts";

describe("the calls of the verbs", () => {
  it("are those of the generated services", () => {
    assertPartOf(taskCalls, TaskDefinition);
    assertPartOf(ociCalls, OciDefinition);
  });
});
