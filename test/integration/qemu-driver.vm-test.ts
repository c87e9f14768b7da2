/**
 * Tests the QEMU driver against the contract of all drivers, and for errors that only VMs with several processes can
 * have.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { RunningVm, StartContext } from "../../src/hypervisor/driver.ts";
import { driverSuite } from "../../src/hypervisor/driver-suite.ts";
import { machineTypes } from "../../src/hypervisor/qemu/machine.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { VmSpec } from "../../src/hypervisor/spec.ts";
import { isKumiteError } from "../../src/util/errors.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";
import { testQemu } from "../support/qemu.ts";
import { makeTestDirectory } from "../support/test-directory.ts";

const os = testOs();
const guest = {
  kernel: path.join(testInstallRoot, "vmlinux"),
  initrd: path.join(testInstallRoot, "initrd.img"),
  agent: path.join(testInstallRoot, "agent"),
};
const options = {
  ...testQemu,
} as const;
const driver = qemuDriver(os, options);

for (const machineType of machineTypes) {
  driverSuite(`qemu-${machineType}`, () => ({ os, guest, driver: qemuDriver(os, { ...options, machineType }) }));
}

describe("a VM of the QEMU driver", () => {
  let directory: string;
  let pids: Map<string, number>;

  beforeEach(() => {
    directory = makeTestDirectory("qemu");
    for (const name of ["vm", "shared"]) mkdirSync(path.join(directory, name));
    pids = new Map();
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  guardAgainstLeftOvers(() => ({ directories: [directory] }));

  function start(changes: Partial<VmSpec> = {}): Promise<RunningVm> {
    const spec: VmSpec = {
      id: "qemu-test",
      directory: path.join(directory, "vm"),
      vcpus: 1,
      memoryMiB: 256,
      guest,
      kernelParameters: [],
      sharedDirectories: [{ tag: "kataShared", path: path.join(directory, "shared") }],
      cgroups: [],
      ...changes,
    };
    const context: StartContext = {
      willMake: async () => {},
      made: async (key, { pid }) => void pids.set(key, pid),
      signal: new AbortController().signal,
      log: () => {},
    };
    return driver.start(spec, context);
  }

  it("ends with its file-sharing daemon, whichever of its processes dies", async () => {
    const victims: ((daemon: number) => number)[] = [(daemon) => daemon, (daemon) => childOf(daemon)];
    for (const victim of victims) {
      const vm = await start();
      process.kill(victim(pids.get("virtiofsd") ?? 0), "SIGKILL");
      const exit = await vm.exited;
      assert.ok(exit.reason === "died" && exit.process === "virtiofsd", JSON.stringify(exit));
    }
  });

  it("that panics ends at once, and its last console lines are the reason", async () => {
    const vm = await start({ kernelParameters: ["rdinit=/nowhere", "init=/nowhere"] });
    const exit = await vm.exited;
    assert.ok(exit.reason === "died" && exit.process === "guest", JSON.stringify(exit));
    assert.match(exit.detail, /Kernel panic/);
  });

  it("does not start when QEMU refuses it, and repeats QEMU's error", async () => {
    const kernel = "/etc/passwd";
    await assert.rejects(start({ guest: { ...guest, kernel } }), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/start-failed"), String(error));
      assert.match(String(error.cause), /qemu.*kernel/);
      return true;
    });
  });

  it("does not outlive its starter", async () => {
    const starter = path.join(import.meta.dirname, "../support/start-and-wait.ts");
    const args = ["--import", "tsx", starter, path.join(directory, "vm"), path.join(directory, "shared")];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("exit", () => reject(new Error("the machine did not start")));
    });
    child.removeAllListeners("exit");
    child.kill("SIGKILL");
    // The guard waits until the processes are gone. The socket is a file, which a sandbox's journal would remove.
  });
});

function childOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim());
}
