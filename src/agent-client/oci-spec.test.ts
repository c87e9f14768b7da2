import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OciSpec } from "../oci/spec.ts";
import { Spec } from "../protocol/gen/kata/oci.ts";
import { compileSeccomp } from "../seccomp/compile.ts";
import { specFields } from "./fields.ts";

/** The message as the agent decodes it. */
function received(spec: OciSpec): Spec {
  return Spec.decode(specFields(spec).OCI);
}

const least: OciSpec = { ociVersion: "1.0.2" };

describe("a specification for the agent", () => {
  it("has its compiled seccomp profile beside it, and for other agents in the message", () => {
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO" }] };
    const spec = { ...least, linux: { seccomp, maskedPaths: ["/m"] } };
    const fields = specFields(spec);
    const { program, flags } = compileSeccomp(seccomp);
    assert.deepEqual([fields.kumiteSeccomp, fields.kumiteSeccompFlags], [program, flags]);
    assert.deepEqual(JSON.parse(fields.kumiteOciJson), { ...least, linux: { maskedPaths: ["/m"] } });
    assert.deepEqual(received(spec).Linux?.Seccomp?.Syscalls[0]?.Names, ["mkdir"]);
    assert.ok(!("kumiteSeccomp" in specFields({ ...least, linux: {} })));
  });

  it("keeps everything for which the protocol has a field", () => {
    const spec = received({
      ...least,
      process: {
        terminal: true,
        consoleSize: { height: 24, width: 80 },
        user: { uid: 1, gid: 2, additionalGids: [3, 4] },
        args: ["a", "b"],
        env: ["A=1"],
        cwd: "/w",
        capabilities: { bounding: ["CAP_KILL"], ambient: [] },
        rlimits: [{ type: "RLIMIT_NOFILE", hard: 20, soft: 10 }],
        noNewPrivileges: true,
        oomScoreAdj: -500,
      },
      root: { path: "/r", readonly: true },
      hostname: "h",
      mounts: [{ destination: "/d", source: "/s", type: "bind", options: ["ro"] }],
      linux: {
        sysctl: { "net.a": "1" },
        namespaces: [{ type: "pid" }, { type: "mount", path: "/p" }],
        devices: [{ path: "/dev/x", type: "c", major: 1, minor: 3, fileMode: 0o666 }],
        maskedPaths: ["/m"],
        readonlyPaths: ["/o"],
        resources: { memory: { limit: 1048576 }, pids: { limit: 10 }, cpu: { quota: -1, period: 100000 } },
      },
    });
    assert.deepEqual(spec.Process?.ConsoleSize, { Height: 24, Width: 80 });
    assert.deepEqual(spec.Process?.User, { UID: 1, GID: 2, AdditionalGids: [3, 4], Username: "" });
    assert.deepEqual(spec.Process?.Args, ["a", "b"]);
    assert.deepEqual(spec.Process?.Capabilities?.Bounding, ["CAP_KILL"]);
    assert.deepEqual(spec.Process?.Rlimits, [{ Type: "RLIMIT_NOFILE", Hard: 20n, Soft: 10n }]);
    assert.equal(spec.Process?.OOMScoreAdj, -500n);
    assert.deepEqual(spec.Root, { Path: "/r", Readonly: true });
    assert.deepEqual(spec.Mounts, [{ destination: "/d", source: "/s", type: "bind", options: ["ro"] }]);
    assert.equal(spec.Linux?.Sysctl.get("net.a"), "1");
    assert.deepEqual(spec.Linux?.Namespaces, [
      { Type: "pid", Path: "" },
      { Type: "mount", Path: "/p" },
    ]);
    assert.equal(spec.Linux?.Devices[0]?.Minor, 3n);
    assert.equal(spec.Linux?.Resources?.CPU?.Quota, -1n);
    assert.equal(spec.Linux?.Resources?.Pids?.Limit, 10n);
  });

  it("writes a device rule for every number as -1, since 0 is a number", () => {
    const spec = received({ ...least, linux: { resources: { devices: [{ allow: false, access: "rwm" }] } } });
    assert.equal(spec.Linux?.Resources?.Devices[0]?.Major, -1n);
    assert.equal(spec.Linux?.Resources?.Devices[0]?.Minor, -1n);
  });

  it("stays within 64 bits at their limit, where JSON has only the next double", () => {
    const limits = JSON.parse("[18446744073709551615, 9223372036854775807]") as [number, number];
    const spec = received({
      ...least,
      process: { args: ["a"], cwd: "/", rlimits: [{ type: "RLIMIT_AS", hard: limits[0], soft: limits[0] }] },
      linux: { resources: { memory: { limit: limits[1] } } },
    });
    assert.equal(spec.Process?.Rlimits[0]?.Hard, 2n ** 64n - 1n);
    assert.equal(spec.Linux?.Resources?.Memory?.Limit, 2n ** 63n - 1n);
  });

  it("has the whole JSON beside the message", () => {
    const spec: OciSpec = { ...least, linux: { resources: { unified: { "memory.high": "1" } } } };
    assert.deepEqual(JSON.parse(specFields(spec).kumiteOciJson), spec);
  });
});
