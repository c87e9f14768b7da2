import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { testOs } from "../../../../test/support/node-os.ts";
import { KumiteError } from "../../../util/errors.ts";
import type { Disk } from "../../spec.ts";
import type { PlugContext } from "./context.ts";
import { resizeByDimms } from "./dimms.ts";
import { addDisk } from "./disks.ts";
import { contextWith } from "./hotplug.testing.ts";
import { PciPlaces } from "./pci-places.ts";

const mib = 1024 * 1024;

describe("what a failed plug leaves", () => {
  const rootPort = { bus: 0, slot: 4, qdev_id: "rp0", id: { vendor: 0x1b36, device: 0xc }, pci_bridge: { bus: {} } };
  const place = { "query-pci": () => [{ bus: 0, devices: [rootPort] }] };
  const disk: Disk = { id: "a", path: "/dev/null", bus: "virtio-blk", readOnly: true };
  const refuses = (text: string) => (): never => {
    throw new Error(text);
  };

  /** A VM with one slot, and its log lines. */
  function machineWith(handlers: Parameters<typeof contextWith>[0]) {
    const logged: string[] = [];
    const { context, asked } = contextWith({ ...place, ...handlers });
    const places = new PciPlaces(context.monitor, undefined);
    const log: PlugContext["log"] = (_level, message, fields) => void logged.push(`${message}: ${fields?.error}`);
    return { context: { ...context, places, log }, asked, logged, places };
  }

  it("is nothing when QEMU refuses, and the error is QEMU's", async () => {
    const { context, asked, logged, places } = machineWith({ device_add: refuses("no") });
    await assert.rejects(addDisk(testOs(), context, disk), /^Error: no$/);
    assert.deepEqual(logged, []);
    assert.deepEqual(asked.slice(-2), ["device_add disk-a", "blockdev-del"]);
    await places.take();
  });

  it("is logged when it cannot be undone, and the error is still the first one", async () => {
    const { context, logged } = machineWith({ device_add: refuses("no"), "blockdev-del": refuses("node is in use") });
    await assert.rejects(addDisk(testOs(), context, disk), /^Error: no$/);
    assert.deepEqual(logged, ["image-a stays in the VM until the VM ends: it could not be removed: node is in use"]);
  });

  it("is a device that appeared after the timeout: it is removed, or keeps its slot", async () => {
    const late = () => {
      throw new KumiteError("timeout", "qmp device_add took longer than 10000 ms");
    };
    const removed = machineWith({
      device_add: late,
      device_del: () => {
        const gone = { name: "DEVICE_DELETED", device: "disk-a", path: "" } as const;
        queueMicrotask(() => removed.context.events.take(gone));
      },
    });
    await assert.rejects(addDisk(testOs(), removed.context, disk), { code: "timeout" });
    assert.deepEqual(removed.asked.slice(-3), ["device_add disk-a", "device_del disk-a", "blockdev-del"]);
    assert.deepEqual(removed.logged, []);
    await removed.places.take();

    const kept = machineWith({ device_add: late, device_del: refuses("device is busy") });
    await assert.rejects(addDisk(testOs(), kept.context, disk), { code: "timeout" });
    assert.match(kept.logged.join("\n"), /^device disk-a stays in the VM until the VM ends.*device is busy$/);
    await assert.rejects(kept.places.take(), /no more bridge slots available/);
  });

  it("is nothing when QEMU itself is gone", async () => {
    const lost = refuses("qemu cannot answer the command: qemu closed the monitor connection");
    const { context, logged } = machineWith({ device_add: lost, "blockdev-del": lost, "remove-fd": lost });
    await assert.rejects(addDisk(testOs(), context, disk), /qemu cannot answer/);
    assert.deepEqual(logged, []);
  });

  it("is no memory, when its module may have come late", async () => {
    const late = () => {
      throw new KumiteError("timeout", "qmp object-add took longer than 10000 ms");
    };
    const { context, asked, logged } = machineWith({
      "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": 0 }),
      "query-memory-devices": () => [],
      "object-add": late,
      device_del: refuses("Device 'dimmmem0' not found"),
      "object-del": refuses("object 'mem0' is in use"),
    });
    const memory = { ...context.memory, growth: { maxMiB: 4096, slots: 2, by: "dimm" } } as const;
    await assert.rejects(resizeByDimms({ ...context, memory }, { memoryMiB: 1024, blockMiB: 128 }));
    assert.ok(asked.includes("device_del dimmmem0"), asked.join());
    assert.deepEqual(logged, []);
  });
});
