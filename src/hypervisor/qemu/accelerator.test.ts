import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testOs } from "../../../test/support/node-os.ts";
import { isKumiteError } from "../../util/errors.ts";
import type { StartContext } from "../driver.ts";
import { type AcceleratorRequest, chooseAccelerator } from "./accelerator.ts";

describe("the choice of an accelerator", () => {
  const os = testOs();
  let directory: string;
  let runs: string;
  let told: string[];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-accelerator-"));
    runs = join(directory, "runs");
    told = [];
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** A script in place of QEMU that counts its runs. Descriptor 3 is its serial line. */
  function fakeQemu(script: string): string {
    const path = join(directory, "qemu");
    writeFileSync(path, `#!/bin/sh\necho run >> ${runs}\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  function request(qemu: string, changes: Partial<AcceleratorRequest> = {}): AcceleratorRequest {
    return {
      choice: "auto",
      qemu,
      kernel: "/k",
      cgroups: [],
      cacheDirectory: directory,
      device: "/dev/null",
      timeoutMs: 60_000,
      ...changes,
    };
  }

  const context: StartContext = {
    willMake: async (step) => void told.push(step.kind === "process" ? step.key : step.path),
    made: async () => {},
    signal: new AbortController().signal,
    log: () => {},
  };

  it("is KVM when a kernel prints something", async () => {
    const qemu = fakeQemu("echo Linux >&3; exec sleep 100");
    assert.equal(await chooseAccelerator(os, context, request(qemu)), "kvm");
    assert.deepEqual(told, ["kvm-probe"]);
  });

  it("is emulation when a kernel prints nothing, even if the device exists", async () => {
    const qemu = fakeQemu("exec sleep 100");
    assert.equal(await chooseAccelerator(os, context, request(qemu, { timeoutMs: 50 })), "tcg");
  });

  it("is emulation when QEMU exits, and is probed once per host", async () => {
    const qemu = fakeQemu("echo no MSR >&2; exit 1");
    assert.equal(await chooseAccelerator(os, context, request(qemu)), "tcg");
    assert.equal(await chooseAccelerator(os, context, request(qemu)), "tcg");
    assert.equal(readFileSync(runs, "utf8"), "run\n");
    await assert.rejects(chooseAccelerator(os, context, request(qemu, { choice: "kvm" })), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/unsupported"));
      assert.match(error.message, /no MSR/);
      return true;
    });
  });

  it("is probed again after a reboot of the host, for another kernel, and when the cached result is damaged", async () => {
    const qemu = fakeQemu("echo Linux >&3; exec sleep 100");
    const file = join(directory, "kvm.json");
    await chooseAccelerator(os, context, request(qemu));
    writeFileSync(file, readFileSync(file, "utf8").replace(/"bootId":"[^"]*"/, '"bootId":"another"'));
    await chooseAccelerator(os, context, request(qemu));
    await chooseAccelerator(os, context, request(qemu, { kernel: "/other" }));
    writeFileSync(file, "{");
    await chooseAccelerator(os, context, request(qemu, { kernel: "/other" }));
    assert.equal(readFileSync(runs, "utf8"), "run\n".repeat(4));
  });

  it("is probed once for each of several kernels that are used in turn", async () => {
    const qemu = fakeQemu("echo Linux >&3; exec sleep 100");
    for (const kernel of ["/k", "/other", "/k", "/other"]) {
      assert.equal(await chooseAccelerator(os, context, request(qemu, { kernel })), "kvm");
    }
    assert.equal(readFileSync(runs, "utf8"), "run\n".repeat(2));
  });

  it("is emulation without a probe when there is no device, or on request", async () => {
    const device = join(directory, "none");
    assert.equal(await chooseAccelerator(os, context, request("/none", { device })), "tcg");
    assert.equal(await chooseAccelerator(os, context, request("/none", { choice: "tcg" })), "tcg");
    await assert.rejects(
      chooseAccelerator(os, context, request("/none", { device, choice: "kvm" })),
      (error) => isKumiteError(error, "hypervisor/unsupported") && error.message.includes(device),
    );
    assert.deepEqual(told, []);
  });
});
