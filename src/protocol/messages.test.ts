import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Timestamp } from "./gen/google/protobuf/timestamp.ts";
import { CreateContainerRequest, MemAgentMemcgConfig } from "./gen/kata/agent.ts";
import { AgentServiceDefinition } from "./gen/kata/agent-service.ts";
import { MemoryStats } from "./gen/kata/control.ts";
import { POSIXRlimit, Spec } from "./gen/kata/oci.ts";

describe("messages", () => {
  it("have the field numbers of the protocol", () => {
    const bytes = CreateContainerRequest.encode(
      CreateContainerRequest.fromPartial({
        containerId: "c",
        OCI: Spec.encode(
          Spec.fromPartial({ Process: { Terminal: true }, Linux: { Seccomp: { Flags: ["f"] } } }),
        ).finish(),
        sharedMounts: [{ name: "m" }],
        stdoutPort: 5,
      }),
    ).finish();
    assert.deepEqual(
      [...bytes],
      [
        0x0a,
        1,
        0x63, // 1 container_id
        0x32,
        11,
        0x12,
        2,
        0x08,
        1,
        0x42,
        5,
        0x42,
        3,
        0x1a,
        1,
        0x66, // 6 OCI {2 {1}, 8 {8 {3}}}
        0x42,
        3,
        0x0a,
        1,
        0x6d, // 8 shared_mounts {1}
        0x50,
        5, // 10 stdout_port
      ],
    );
  });

  it("carry 64-bit values exactly", () => {
    for (const value of [0n, 1n, 2n ** 63n, 2n ** 64n - 1n]) {
      const { Hard } = POSIXRlimit.decode(POSIXRlimit.encode({ Type: "", Hard: value, Soft: 0n }).finish());
      assert.equal(Hard, value);
    }
    for (const seconds of [-1n, -(2n ** 63n), 2n ** 63n - 1n]) {
      assert.equal(Timestamp.decode(Timestamp.encode({ seconds, nanos: 0 }).finish()).seconds, seconds);
    }
    assert.throws(() => POSIXRlimit.encode({ Type: "", Hard: 2n ** 64n, Soft: 0n }), /invalid uint64/);
    assert.throws(() => POSIXRlimit.encode({ Type: "", Hard: -1n, Soft: 0n }), /invalid uint64/);
  });

  it("distinguish a missing value from zero where the protocol does", () => {
    const travel = (init: Partial<MemAgentMemcgConfig>) =>
      MemAgentMemcgConfig.decode(MemAgentMemcgConfig.encode(MemAgentMemcgConfig.fromPartial(init)).finish());
    assert.equal(travel({ disabled: false }).disabled, false);
    assert.equal(travel({}).disabled, undefined);
  });

  it("skip unknown fields, as other agents skip our extensions", () => {
    const extended = CreateContainerRequest.encode(
      CreateContainerRequest.fromPartial({ containerId: "c", kumiteOciJson: "{}" }),
    ).finish();
    assert.equal(CreateContainerRequest.decode(extended).kumiteOciJson, "{}");
    assert.deepEqual([...extended.subarray(3)], [0xc2, 0x3e, 2, 0x7b, 0x7d]);
    // Rlimit has no field 1000.
    assert.equal(POSIXRlimit.decode(extended).Type, "c");
  });

  it("accept any string as a map key", () => {
    const encoded = Spec.encode(Spec.fromPartial({ Annotations: new Map([["__proto__", "polluted"]]) })).finish();
    const { Annotations } = Spec.decode(encoded);
    assert.deepEqual([...Annotations], [["__proto__", "polluted"]]);
    assert.equal(MemoryStats.decode(new Uint8Array(0)).stats.size, 0);
  });

  it("refuse lengths beyond their end", () => {
    assert.throws(() => CreateContainerRequest.decode(new Uint8Array([0x0a, 0xff, 0xff, 0xff, 0xff, 0x07])));
    assert.throws(() => CreateContainerRequest.decode(new Uint8Array([0x32, 0x05, 0x12])));
  });

  it("of the agent's service are complete", () => {
    assert.equal(AgentServiceDefinition.fullName, "grpc.AgentService");
    assert.equal(Object.keys(AgentServiceDefinition.methods).length, 43);
  });
});
