import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OciSpec } from "../../oci/spec.ts";
import { readContainer } from "../spec/container.ts";
import { Fields } from "../spec/fields.ts";
import { readProcess } from "../spec/process.ts";
import { processOf, type SpecChanges, specOf } from "../testing/spec.testing.ts";
import { containerSteps } from "./container-steps.ts";
import { containerOutline } from "./make-outline.ts";
import { decodeOutline, encodeOutline } from "./outline.ts";
import { execSteps } from "./process-steps.ts";
import { StepWriter, step, stepsVersion } from "./writer.ts";

const plan = (changes: SpecChanges = {}) => readContainer(specOf(["true"], changes), "web");
const bySteps = (changes: SpecChanges = {}): boolean => containerSteps(plan(changes)) !== undefined;
const mount = (changes: object): SpecChanges => ({
  mounts: [{ destination: "/m", type: "bind", source: "/run/v", options: ["bind"], ...changes }] as NonNullable<
    OciSpec["mounts"]
  >,
});

describe("steps", () => {
  it("consist of 64-bit numbers and strings that end with NUL", () => {
    const writer = new StepWriter();
    writer.add(step.umask, 0o22);
    writer.add(step.hostName, "ü");
    writer.add(step.limit, 2n ** 64n - 1n, true, ["a"]);
    const view = new DataView(writer.bytes().buffer);
    const at = (offset: number): bigint => view.getBigInt64(offset, true);
    assert.deepEqual([at(0), at(8), at(16), at(24)], [5n, 18n, 3n, 2n]);
    assert.deepEqual([...writer.bytes().slice(32, 35)], [0xc3, 0xbc, 0]);
    assert.deepEqual([at(35), at(43), at(51), at(59), at(67)], [18n, -1n, 1n, 1n, 1n]);
    assert.equal(writer.bytes().length, 77);
  });

  it("set up ordinary containers", () => {
    assert.ok(bySteps());
    assert.ok(bySteps(mount({})));
    assert.ok(bySteps({ process: { noNewPrivileges: false, oomScoreAdj: 5 }, linux: { sysctl: { "net.x": "1" } } }));
  });

  it("are missing for what only the agent's own code does", () => {
    const unusual: Readonly<Record<string, SpecChanges>> = {
      terminal: { process: { terminal: true } },
      scheduler: { process: { scheduler: { policy: "SCHED_BATCH" } } as SpecChanges["process"] & object },
      "user namespace": { linux: { namespaces: [{ type: "uts" }, { type: "user" }] } },
      "network namespace": { linux: { namespaces: [{ type: "uts" }, { type: "network" }] } },
      "joined namespace": { linux: { namespaces: [{ type: "uts" }, { type: "ipc", path: "/proc/1/ns/ipc" }] } },
      hooks: { hooks: { startContainer: [{ path: "/bin/true" }] } },
      remount: mount({ options: ["bind", "remount"] }),
      "below /proc": mount({ destination: "/proc/meminfo" }),
      "over /proc": mount({ destination: "/proc" }),
      "copy of what is covered": mount({ type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] }),
      "many groups": { process: { user: { uid: 0, gid: 0, additionalGids: Array.from({ length: 65 }, (_, i) => i) } } },
      "long environment": { process: { env: ["PATH=/bin", `A=${"x".repeat(130_000)}`] } },
      "no PATH": { process: { env: [] } },
    };
    for (const [what, changes] of Object.entries(unusual)) assert.ok(!bySteps(changes), what);
  });

  it("of an exec process exist unless it has a terminal or a CPU set of its own", () => {
    const read = (changes: object) => execSteps(readProcess(new Fields(processOf(["true"], changes), "p"), () => {}));
    assert.ok(read({}) !== undefined);
    for (const changes of [{ terminal: true }, { execCPUAffinity: { final: "0" } }])
      assert.equal(read(changes), undefined);
  });
});

describe("an outline", () => {
  it("is only used with the same version of the steps", () => {
    const outline = containerOutline(plan());
    const text = encodeOutline(outline);
    assert.deepEqual(decodeOutline(text), JSON.parse(JSON.stringify(outline)));
    assert.equal(decodeOutline(""), undefined);
    assert.equal(decodeOutline(text.replace(`[${stepsVersion},`, `[${stepsVersion + 1},`)), undefined);
    for (const malformed of ["{}", "3", "[", "[1,", "null"]) {
      assert.throws(() => decodeOutline(malformed), { code: "oci/spec-invalid" });
    }
  });

  it("has a limit of descriptors only if it is above the kernel's own", () => {
    const limit = (hard: number) => ({ process: { rlimits: [{ type: "RLIMIT_NOFILE", soft: 1, hard }] } });
    assert.equal(containerOutline(plan(limit(1_048_576))).process.descriptors, undefined);
    assert.equal(containerOutline(plan(limit(1_048_577))).process.descriptors, "1048577");
  });
});
