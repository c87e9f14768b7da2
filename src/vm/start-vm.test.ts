import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { testInstallRoot, testOs } from "../../test/support/node-os.ts";
import { type Config, resolveConfig } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import { isKumiteError } from "../util/errors.ts";
import { startVm } from "./start-vm.ts";

describe("starting a VM and its agent", () => {
  const os = testOs();
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "kumite-vm-"));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  /** A configuration of the process driver with this script as the agent. */
  function guestOf(script: string, dialTimeoutMs = 60_000): Config {
    const path = join(directory, "agent");
    writeFileSync(path, `#!/bin/sh\n${script}\n`);
    chmodSync(path, 0o755);
    const surroundings = { installRoot: testInstallRoot, hostCpus: 1 };
    const config = resolveConfig({ runtime: { hypervisor: "process" } }, surroundings);
    return { ...config, agent: { ...config.agent, path, dialTimeoutMs } };
  }

  function start(config: Config, signal = new AbortController().signal) {
    const nothing = async () => {};
    const context: StartContext = { willMake: nothing, made: nothing, signal, log: () => {} };
    return startVm(os, config, { id: "one", directory, sharedDirectories: [], cgroups: [] }, context);
  }

  it("accepts an agent that answers, and ends the VM with it", async () => {
    const vm = await start(guestOf(`exec "${testInstallRoot}/agent" "$@"`));
    assert.match(vm.agent.version, /\d/);
    await vm.stop();
    assert.deepEqual(await vm.machine.exited, { reason: "stopped" });
  });

  it("reports at once why a guest has ended, with its last lines", async () => {
    await assert.rejects(start(guestOf("echo no modules >&2; exit 3")), (error) => {
      assert.ok(isKumiteError(error, "agent/unreachable"), String(error));
      assert.equal(error.phase, "vm.start");
      assert.deepEqual(error.data.console, ["no modules"]);
      assert.match(String(error.cause), /agent ended with status 3: no modules/);
      return true;
    });
  });

  it("gives up a guest that does not answer in time", async () => {
    await assert.rejects(start(guestOf("exec sleep 1000", 50)), (error) => {
      assert.ok(isKumiteError(error, "agent/unreachable"), String(error));
      assert.ok(isKumiteError(error.cause, "timeout"), String(error.cause));
      return true;
    });
  });

  it("can be aborted while the guest boots", async () => {
    const controller = new AbortController();
    const starting = start(guestOf("exec sleep 1000"), controller.signal);
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(starting, (error) => isKumiteError(error, "aborted"));
  });
});
