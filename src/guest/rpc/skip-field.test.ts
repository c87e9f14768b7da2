import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { CreateContainerRequest } from "../../protocol/gen/kata/agent.ts";
import { encodeMessage, type MessageInit } from "../../protocol/ttrpc/service.ts";
import { withoutField } from "./skip-field.ts";

const encode = (message: MessageInit<CreateContainerRequest>): Uint8Array =>
  encodeMessage(CreateContainerRequest, message);

describe("a specification in two forms", () => {
  it("loses its messages when there is JSON, and nothing else", () => {
    const fields = { containerId: "web", kumiteOciJson: "{}", stdoutPort: 7, storages: [{ driver: "bind" }] };
    const both = encode({ ...fields, OCI: { Version: "1.0.2", Hostname: "box" } });
    const left = CreateContainerRequest.decode(withoutField(both, 6, 1000));
    assert.deepEqual(left, CreateContainerRequest.fromPartial(fields));
  });

  it("is left alone without JSON, or without messages", () => {
    const messages = encode({ containerId: "web", OCI: { Version: "1.0.2" } });
    assert.equal(withoutField(messages, 6, 1000), messages);
    const json = encode({ containerId: "web", kumiteOciJson: "{}" });
    assert.deepEqual(withoutField(json, 6, 1000), json);
  });

  it("fails like a decoder on bytes that are no message", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          withoutField(bytes, 6, 1000);
        } catch (error) {
          assert.ok(error instanceof Error);
        }
      }),
    );
  });
});
