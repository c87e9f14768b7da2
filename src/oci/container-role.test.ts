import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../util/errors.ts";
import { containerRoleOf, containerTypeOf, sandboxIdOf } from "./container-role.ts";

function refused(ask: () => unknown, message: RegExp): void {
  assert.throws(ask, (error) => isKumiteError(error, "oci/spec-invalid") && message.test(error.message));
}

describe("the role of a container", () => {
  it("is that of a single container if no engine says otherwise", () => {
    assert.deepEqual(containerRoleOf(), { type: "single_container" });
    assert.deepEqual(containerRoleOf({ "io.kubernetes.cri.sandbox-id": "x" }), { type: "single_container" });
  });

  it("is read from the keys of containerd, CRI-O and dockershim", () => {
    assert.deepEqual(containerRoleOf({ "io.kubernetes.cri.container-type": "sandbox" }), { type: "pod_sandbox" });
    assert.deepEqual(containerRoleOf({ "io.kubernetes.docker.type": "podsandbox" }), { type: "pod_sandbox" });
    const ofCriO = { "io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.cri-o.SandboxID": "pod" };
    assert.deepEqual(containerRoleOf(ofCriO), { type: "pod_container", sandboxId: "pod" });
  });

  it("is determined by the first key that exists, with any engine's value", () => {
    const both = { "io.kubernetes.docker.type": "container", "io.kubernetes.cri.container-type": "podsandbox" };
    assert.equal(containerTypeOf(both), "pod_sandbox");
    refused(
      () => containerTypeOf({ "io.kubernetes.cri.container-type": "", "io.kubernetes.docker.type": "container" }),
      /^annotations\["io.kubernetes.cri.container-type"\]: Unknown container type $/,
    );
  });

  it("names the sandbox in the first key that exists, independently of the key of the type", () => {
    const mixed = {
      "io.kubernetes.docker.type": "container",
      "io.kubernetes.sandbox.id": "second",
      "io.kubernetes.cri.sandbox-id": "first",
    };
    assert.deepEqual(containerRoleOf(mixed), { type: "pod_container", sandboxId: "first" });
    assert.equal(sandboxIdOf({ "io.kubernetes.cri.sandbox-id": "", "io.kubernetes.sandbox.id": "x" }), "");
  });

  it("is refused for an unknown type, and for a container without a sandbox", () => {
    refused(() => containerTypeOf({ "io.kubernetes.cri.container-type": "pod" }), /Unknown container type pod$/);
    refused(() => containerRoleOf({ "io.kubernetes.cri.container-type": "container" }), /Could not find sandbox ID$/);
  });
});
