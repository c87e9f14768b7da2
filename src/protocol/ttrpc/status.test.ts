import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { KumiteError, SystemError } from "../../util/errors.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { Status } from "../gen/google/rpc/status.ts";
import { grpcCode } from "./grpc-code.ts";
import { errorOfStatus, isTtrpcError, statusOfError, TtrpcError, unwrapRemote } from "./status.ts";

describe("an error across a connection", () => {
  it("keeps code, message, phase, hint, data and the messages of its causes", () => {
    const error = new KumiteError("hypervisor/start-failed", "qemu exited with status 1", {
      phase: "hypervisor.start",
      hint: "run `kumite check`",
      data: { console: ["line one", "line two"], elapsedMs: 312, id: "web" },
      cause: new SystemError("EACCES", "open", "/dev/kvm"),
    });
    const { remote } = travel(error);
    assert.ok(remote instanceof KumiteError);
    assert.deepEqual(
      [remote.code, remote.message, remote.phase, remote.hint, remote.data],
      [error.code, error.message, error.phase, error.hint, error.data],
    );
    assert.equal((remote.cause as Error).message, "open /dev/kvm: permission denied");
  });

  it("has the gRPC code by which engines act", () => {
    const codes = [
      ["container/not-found", grpcCode.notFound],
      ["container/exists", grpcCode.alreadyExists],
      ["container/wrong-state", grpcCode.failedPrecondition],
      ["oci/spec-invalid", grpcCode.invalidArgument],
      ["oci/unsupported", grpcCode.unimplemented],
      ["timeout", grpcCode.deadlineExceeded],
      ["process/executable-not-found", grpcCode.unknown],
    ] as const;
    for (const [code, expected] of codes) assert.equal(travel(new KumiteError(code, "x")).code, expected, code);
    assert.equal(travel(new Error("x")).code, grpcCode.unknown);
  });

  it("passes unchanged through an intermediary", () => {
    const first = travel(new KumiteError("container/exists", "id in use", { hint: "choose another" }));
    const second = travel(first);
    assert.equal(second.code, grpcCode.alreadyExists);
    assert.equal(second.remote?.hint, "choose another");
  });

  it("drops its data if that is too long, and keeps the rest", () => {
    const { remote } = travel(new KumiteError("internal", "big", { hint: "h", data: { text: "x".repeat(100_000) } }));
    assert.deepEqual([remote?.message, remote?.hint, remote?.data], ["big", "h", {}]);
  });

  it("is shown with the peer's own words, or with the caller's code if the peer is not Kumite", () => {
    const ours = travel(new KumiteError("container/exists", "id in use"));
    assert.equal(unwrapRemote(ours, "agent/failed"), ours.remote);
    const strangers = new TtrpcError(grpcCode.notFound, "no such thing");
    const shown = unwrapRemote(strangers, "agent/failed", { phase: "agent.call" });
    assert.ok(shown instanceof KumiteError);
    assert.deepEqual([shown.code, shown.message, shown.phase], ["agent/failed", "no such thing", "agent.call"]);
    const lost = new KumiteError("protocol/closed", "gone");
    assert.equal(unwrapRemote(lost, "agent/failed"), lost);
  });
});

describe("a status from a hostile peer", () => {
  it("cannot bring control characters into a message", () => {
    const { message } = errorOfStatus({ code: 2, message: "\u001b[2Jgone\u0007", details: [] });
    assert.equal(message, "gone");
  });

  it("has code unknown if its code is invalid", () => {
    for (const code of [-1, 17, 1_000_000]) {
      assert.ok(isTtrpcError(errorOfStatus({ code, message: "", details: [] }), grpcCode.unknown));
    }
  });

  it("cannot contain an error code, nested data or anything else that Kumite does not send", () => {
    const bad: unknown[] = [
      "not an object",
      [],
      { code: "made/up", message: "x" },
      { code: "internal" },
      { code: "internal", message: 7 },
    ];
    for (const detail of bad) assert.equal(errorOfStatus(withDetail(detail)).remote, undefined);
    const odd = { code: "internal", message: "\u001b[1mx", data: { a: { b: 1 }, c: ["\u0007ok", 3], __proto__: null } };
    const { remote } = errorOfStatus(withDetail(odd));
    assert.deepEqual([remote?.message, remote?.data], ["x", { c: ["ok"] }]);
  });

  it("never makes the decoder throw", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string(), fc.integer(), (detail, message, code) => {
        assert.ok(errorOfStatus({ ...withDetail(detail), message, code }) instanceof TtrpcError);
      }),
    );
    const deep = encodeUtf8("[".repeat(60_000) + "]".repeat(5_000));
    const status = { code: 2, message: "", details: [{ typeUrl: "types.kumite/error", value: deep }] };
    assert.equal(errorOfStatus(status).remote, undefined);
  });
});

function travel(error: unknown): TtrpcError {
  return errorOfStatus(Status.decode(Status.encode(statusOfError(error)).finish()));
}

function withDetail(detail: unknown): Status {
  const value = encodeUtf8(JSON.stringify(detail));
  return { code: 2, message: "m", details: [{ typeUrl: "types.kumite/error", value }] };
}
