/**
 * The contract of `Vm`, the object that sandboxes and the factory work with. It holds for every driver; differences are
 * capabilities. Run on each driver.
 */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { guardAgainstLeftOvers } from "../../test/support/left-overs.ts";
import { testOs } from "../../test/support/node-os.ts";
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import { isKumiteError } from "../util/errors.ts";
import { startVm } from "./start-vm.ts";
import type { Vm } from "./vm.ts";

export function vmSuite(name: string, config: () => Config): void {
  describe(`a VM with its agent (${name})`, () => {
    const os = testOs();
    let directory: string;
    let vm: Vm;

    before(async () => {
      directory = mkdtempSync(join(tmpdir(), "kumite-vm-suite-"));
      mkdirSync(join(directory, "vm"));
      const nothing = async (): Promise<void> => {};
      const { signal } = new AbortController();
      const context: StartContext = { willMake: nothing, made: nothing, signal, log: () => {} };
      const size = { vcpus: 1, allVcpus: 1, memoryMiB: 512, grows: true };
      const request = { id: "suite", directory: join(directory, "vm"), sharedDirectories: [], cgroups: [], size };
      vm = await startVm(os, config(), request, context);
    });
    after(async () => {
      await vm?.stop();
      rmSync(directory, { recursive: true });
    });
    guardAgainstLeftOvers(() => ({ directories: [directory] }));

    const refused = (error: unknown): boolean => isKumiteError(error, "hypervisor/unsupported");
    const can = (what: "vcpu" | "memory"): boolean => vm.capabilities.hotplug.includes(what);

    it("has an agent that answered, and reports its devices", async () => {
      assert.match(vm.agent.version, /\d/);
      assert.deepEqual(vm.status(), { pid: vm.machine.pid, vcpus: 1, memoryMiB: 512 });
      assert.equal((await os.processes.info(vm.machine.pid))?.pid, vm.machine.pid);
    });

    it("sets the guest's time and random seed from the host if it has its own", async () => {
      if (vm.capabilities.ownClock) {
        await vm.syncTime();
        await vm.reseedRng();
        return;
      }
      const denied = (error: unknown): boolean => isKumiteError(error, "agent/denied");
      await assert.rejects(vm.syncTime(), denied);
      await assert.rejects(vm.reseedRng(), denied);
    });

    it("pauses and continues, or refuses to", async () => {
      if (vm.machine.pause === undefined) {
        await assert.rejects(vm.pause(), refused);
        await assert.rejects(vm.resume(), refused);
        return;
      }
      await vm.pause();
      await vm.pause();
      const silent = vm.agent.getGuestDetails({}, { timeoutMs: 500 });
      await assert.rejects(silent, (error) => isKumiteError(error, "agent/timeout"));
      await vm.resume();
      await vm.resume();
      await vm.agent.getGuestDetails({});
    });

    it("grows, and its guest uses what it was given, or refuses to", async () => {
      assert.equal(await vm.addCpus(0), 0);
      await vm.addMemory(0);
      if (!can("vcpu")) {
        await assert.rejects(vm.addCpus(1), refused);
        await assert.rejects(vm.addMemory(1), refused);
        assert.deepEqual(vm.status(), { pid: vm.machine.pid, vcpus: 1, memoryMiB: 512 });
        return;
      }
      const most = (await vm.machine.plug?.size())?.maxVcpus ?? 1;
      assert.equal(await vm.addCpus(100), most - 1);
      await vm.addMemory(1);
      assert.equal(vm.vcpusToOnline, most - 1);
      await vm.onlineCpusAndMemory();
      assert.equal(vm.vcpusToOnline, 0);
      const { vcpus, memoryMiB } = vm.status();
      assert.equal(vcpus, most);
      // Memory grows by whole blocks of the guest.
      assert.ok(memoryMiB > 512 && memoryMiB <= 512 + 2048, String(memoryMiB));
      assert.equal((await vm.machine.plug?.size())?.memoryMiB, memoryMiB);
      await vm.removeCpus(most);
      assert.equal(vm.status().vcpus, 1);
      assert.equal(await vm.addCpus(most - 1), most - 1);
      await vm.onlineCpus();
      assert.equal((await vm.machine.plug?.size())?.vcpus, most);
    });

    it("is ended by its owner, even after the owner has changed", async () => {
      const heir = vm.handOver();
      await vm.stop();
      assert.notEqual(await os.processes.info(heir.machine.pid), undefined);
      await heir.agent.getGuestDetails({});
      heir.disconnect();
      await heir.stop();
      await heir.stop();
      assert.deepEqual(await heir.machine.exited, { reason: "stopped" });
    });
  });
}
