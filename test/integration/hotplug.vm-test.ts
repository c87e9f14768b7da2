/** Devices plugged into a running VM, as its guest sees them, and their removal. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { MachineType } from "../../src/hypervisor/qemu/machine.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { VmSpec } from "../../src/hypervisor/spec.ts";
import { isKumiteError } from "../../src/util/errors.ts";
import { succeed } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { Guest } from "../support/guest.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testOs } from "../support/node-os.ts";
import { testQemu } from "../support/qemu.ts";
import { makeTestDirectory } from "../support/test-directory.ts";

const os = testOs();
const mib = 1024 * 1024;
const tap = `kt${process.pid}`.slice(0, 15);

interface Board {
  readonly machineType: MachineType;
  readonly ports: NonNullable<VmSpec["hotplugPorts"]>;
  readonly by: "dimm" | "virtio-mem";
}

const boards: readonly Board[] = [
  { machineType: "q35", ports: { bridges: 0, rootPorts: 3 }, by: "dimm" },
  { machineType: "pc", ports: { bridges: 1, rootPorts: 0 }, by: "virtio-mem" },
];

for (const { machineType, ports, by } of boards) {
  describe(`a running VM of machine type ${machineType}`, () => {
    let directory: string;
    let guest: Guest;

    before(async () => {
      directory = makeTestDirectory("hotplug");
      await succeed(["ip", "tuntap", "add", "dev", tap, "mode", "tap"]);
      const driver = qemuDriver(os, {
        ...testQemu,
        machineType,
      });
      const growth = { maxMiB: 2048, slots: 2, by };
      const modules = ["virtio_blk", "virtio_net"];
      guest = await Guest.start(driver, directory, { maxVcpus: 3, memoryGrowth: growth, hotplugPorts: ports }, modules);
    });
    after(async () => {
      await guest?.[Symbol.asyncDispose]();
      await succeed(["ip", "link", "delete", tap]);
      rmSync(directory, { recursive: true });
    });
    guardAgainstLeftOvers(() => ({ directories: [directory] }));

    const onlineCpus = () => guest.sh("cat /sys/devices/system/cpu/online");
    const memoryMiB = async () => Number(/MemTotal:\s+(\d+)/.exec(await guest.sh("cat /proc/meminfo"))?.[1]) / 1024;

    it(`gets memory (${by}) in blocks, which its guest uses`, async () => {
      const details = await guest.agent.getGuestDetails({ memBlockSize: true, memHotplugProbe: true });
      assert.equal(details.supportMemHotplugProbe, false);
      const blockMiB = Number(details.memBlockSizeBytes) / mib;
      assert.ok(blockMiB >= 2);
      const online = async (): Promise<void> => void (await guest.agent.onlineCPUMem({ cpuOnly: false, wait: true }));
      const before = await memoryMiB();
      const resized = await guest.plug.resizeMemory({ memoryMiB: 700, blockMiB, onDevice: online });
      assert.equal(resized.memoryMiB, by === "dimm" ? 512 + Math.ceil(188 / blockMiB) * blockMiB : 700);
      await online();
      assert.equal((await guest.plug.size()).memoryMiB, resized.memoryMiB);
      assert.ok((await memoryMiB()) >= before + 180, `${await memoryMiB()}`);
      if (by === "virtio-mem") {
        // The guest may already use some of it, which then stays.
        const shrunk = await guest.plug.resizeMemory({ memoryMiB: 512, blockMiB, onDevice: online });
        assert.ok(shrunk.memoryMiB < resized.memoryMiB, `${shrunk.memoryMiB}`);
        assert.equal((await guest.plug.size()).memoryMiB, shrunk.memoryMiB);
        assert.ok((await memoryMiB()) < before + 180);
        return;
      }
      assert.equal((await guest.plug.resizeMemory({ memoryMiB: 600, blockMiB })).memoryMiB, resized.memoryMiB);
      await guest.plug.resizeMemory({ memoryMiB: resized.memoryMiB + 1, blockMiB });
      await assert.rejects(guest.plug.resizeMemory({ memoryMiB: 2000, blockMiB }), (error) => {
        assert.ok(isKumiteError(error, "hypervisor/plug-failed"), String(error));
        assert.match(error.hint ?? "", /memory_slots/);
        return true;
      });
    });

    it("gets a disk where its guest is told to look, with the bytes of the image, and gives it back", async () => {
      const image = path.join(directory, "image");
      await succeed(["sh", "-c", `printf kumite > ${image}; truncate -s 1M ${image}`]);
      const disk = {
        id: "data",
        path: image,
        bus: "virtio-blk",
        readOnly: true,
        serial: "first",
        ownThread: true,
      } as const;
      const plugged = await guest.plug.addDisk(disk);
      assert.equal(plugged.address.kind, "pci");
      const block = await eventually("the disk is there", async () => {
        const found = await guest.sh("ls /sys/block 2>/dev/null || true");
        return found === "" ? undefined : found;
      });
      // The guest's path from the root bus is the address that it was told.
      const slots = (await guest.sh(`readlink /sys/block/${block}`)).match(/:(\d\d)\.0/g) ?? [];
      const address = plugged.address.kind === "pci" ? plugged.address.path : "";
      assert.deepEqual(slots.map((slot) => slot.slice(1, 3)).join("/"), address);
      assert.equal(await guest.sh(`cat /sys/block/${block}/serial`), "first");
      const numbers = (await guest.sh(`cat /sys/block/${block}/dev`)).replace(":", " ");
      assert.equal(await guest.sh(`mknod /dev/x b ${numbers}; head -c 6 /dev/x`), "kumite");
      await assert.rejects(guest.plug.addDisk(disk), (error) => isKumiteError(error, "hypervisor/protocol"));
      await plugged.remove();
      await plugged.remove();
      await eventually("the disk is gone", async () => ((await guest.sh("ls /sys/block")) === "" ? true : undefined));
      // Its name and its slot are free again.
      await (await guest.plug.addDisk(disk)).remove();
      const missing = { ...disk, path: "/nonexistent" };
      await assert.rejects(guest.plug.addDisk(missing), /disk data: \/nonexistent does not exist/);
      rmSync(image);
    });

    it("gets a network interface on a tap, and gives it back", async () => {
      const macAddress = "02:00:00:00:00:17";
      const plugged = await guest.plug.addNetwork({ id: "net1", macAddress, tap });
      const find = `grep -l ${macAddress} /sys/class/net/*/address || true`;
      await eventually("the interface is there", async () => ((await guest.sh(find)) === "" ? undefined : true));
      await plugged.remove();
      assert.equal(await guest.sh(find), "");
      await assert.rejects(guest.plug.addNetwork({ id: "net2", macAddress, tap: "no/tap" }));
      assert.ok(existsSync(`/sys/class/net/${tap}`));
    });

    it("gets vCPUs up to its maximum, which its guest switches on, and gives them back", async () => {
      assert.equal((await guest.plug.size()).vcpus, 1);
      assert.equal((await guest.plug.size()).maxVcpus, 3);
      const [only] = await guest.plug.vcpuThreads();
      assert.equal(await guest.plug.addVcpus(5), 2);
      assert.equal(await guest.plug.addVcpus(1), 0);
      await guest.agent.onlineCPUMem({ nbCpus: 3, cpuOnly: true, wait: true });
      assert.equal(await onlineCpus(), "0-2");
      const threads = await guest.plug.vcpuThreads();
      const ofQemu = readdirSync(`/proc/${guest.vm.pid}/task`).map(Number);
      assert.deepEqual([threads.length, threads[0]], [3, only]);
      assert.ok(threads.every((thread) => ofQemu.includes(thread)));
      assert.equal(await guest.plug.removeVcpus(2), 2);
      assert.equal(await onlineCpus(), "0");
      assert.equal((await guest.plug.size()).vcpus, 1);
      await assert.rejects(guest.plug.removeVcpus(1), (error) => isKumiteError(error, "hypervisor/plug-failed"));
      if (guest.plug.removesVcpus) return;
      // QEMU's emulator would crash at the next change of its memory map.
      const target = { memoryMiB: 2000, blockMiB: 128 };
      await assert.rejects(guest.plug.resizeMemory(target), (error) => isKumiteError(error, "hypervisor/plug-failed"));
    });
  });
}
