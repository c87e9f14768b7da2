/**
 * The commands that are sent to QEMU, and the handling of its errors. VM tests cover whether the guest accepts what it
 * is given.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { isKumiteError } from "../../../util/errors.ts";
import { hotplugResults, type PciDevice } from "../qmp/hotplug-commands.ts";
import type { PlugContext } from "./context.ts";
import { resizeByDimms, stepMiB } from "./dimms.ts";
import { contextWith } from "./hotplug.testing.ts";
import { freePlaces, PciPlaces } from "./pci-places.ts";
import { addVcpus, removeVcpus } from "./vcpus.ts";
import { resizeByVirtioMem } from "./virtio-mem.ts";

const mib = 1024 * 1024;

/** QEMU's answer for a VM with this many places for vCPUs, some of which are taken. */
function cpus(places: number, taken: Readonly<Record<number, string>>): unknown {
  return Array.from({ length: places }, (_, index) => places - 1 - index).map((core) => ({
    type: "max-x86_64-cpu",
    "vcpus-count": 1,
    props: { "core-id": core, "socket-id": 0, "thread-id": 0 },
    ...(taken[core] === undefined ? {} : { "qom-path": taken[core] }),
  }));
}

const boot = "/machine/unattached/device[0]";

describe("vCPUs of a running VM", () => {
  it("are added in the first free slots, with consecutive names", async () => {
    const added: unknown[] = [];
    const { context } = contextWith({
      "query-hotpluggable-cpus": () => cpus(4, { 0: boot, 1: "/machine/peripheral/cpu-0" }),
      device_add: (parameters) => void added.push([parameters.id, parameters["core-id"]]),
    });
    assert.equal(await addVcpus(context, 2), 2);
    assert.deepEqual(added, [
      ["cpu-1", 2],
      ["cpu-2", 3],
    ]);
  });

  it("are limited by the VM's maximum", async () => {
    const { context } = contextWith({ "query-hotpluggable-cpus": () => cpus(2, { 0: boot }) });
    assert.equal(await addVcpus(context, 5), 1);
    const full = contextWith({ "query-hotpluggable-cpus": () => cpus(1, { 0: boot }) });
    assert.equal(await addVcpus(full.context, 1), 0);
  });

  it("are reported with their real number when QEMU refuses some", async () => {
    const { context } = contextWith({
      "query-hotpluggable-cpus": () => cpus(4, { 0: boot }),
      device_add: ({ "core-id": core }) => {
        if (core !== 1) throw new Error("no room");
      },
    });
    await assert.rejects(addVcpus(context, 3), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/plug-failed"), String(error));
      assert.equal(error.message, "failed to hot add vCPUs: only 1 vCPUs of 3 were added");
      assert.equal(error.data.added, 1);
      return true;
    });
  });

  it("leave no empty slot before them under emulation, since QEMU delivers no interrupts behind one", async () => {
    const refusing = (accelerator: PlugContext["accelerator"]) => {
      const { context, asked } = contextWith({
        "query-hotpluggable-cpus": () => cpus(4, { 0: boot }),
        device_add: ({ "core-id": core }) => {
          if (core === 1) throw new Error("no room");
        },
      });
      return { asked, added: addVcpus({ ...context, accelerator }, 2) };
    };
    const emulated = refusing("tcg");
    await assert.rejects(emulated.added, (error) => isKumiteError(error) && error.data.added === 0);
    assert.equal(emulated.asked.filter((command) => command.startsWith("device_add")).length, 1);
    assert.equal(await refusing("kvm").added, 2);
  });

  it("are removed starting with the last, and only those that were added", async () => {
    const taken = { 0: boot, 1: "/machine/peripheral/cpu-0", 2: "/machine/peripheral/cpu-1" };
    const { context, asked } = contextWith({
      "query-hotpluggable-cpus": () => cpus(4, taken),
      device_del: ({ id }) => {
        queueMicrotask(() =>
          context.events.take({ name: "DEVICE_DELETED", device: "", path: `/machine/peripheral/${id}/lapic` }),
        );
      },
    });
    assert.equal(await removeVcpus(context, 2), 2);
    assert.deepEqual(asked.slice(1), ["device_del cpu-1", "device_del cpu-0"]);
    await assert.rejects(removeVcpus(context, 3), /only 2 were added to the running VM/);
  });

  it("that the guest keeps are reported, with the real number of those it released", async () => {
    const taken = { 0: boot, 1: "/machine/peripheral/cpu-0", 2: "/machine/peripheral/cpu-1" };
    const { context } = contextWith({
      "query-hotpluggable-cpus": () => cpus(4, taken),
      device_del: ({ id }) => {
        queueMicrotask(() => {
          if (id === "cpu-1") return context.events.take({ name: "DEVICE_DELETED", device: "cpu-1", path: "" });
          context.events.take({ name: "ACPI_DEVICE_OST", device: "cpu-0", source: 3, status: 0x84 });
          context.events.take({ name: "ACPI_DEVICE_OST", device: "cpu-0", source: 3, status: 0x82 });
        });
      },
    });
    await assert.rejects(removeVcpus(context, 2), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/plug-failed"), String(error));
      assert.equal(error.data.removed, 1);
      assert.match(String(error.cause), /the guest refuses to release cpu-0/);
      return true;
    });
  });
});

describe("memory of a running VM", () => {
  it("grows by whole blocks of the guest, within the available room", () => {
    assert.equal(stepMiB(512, 600, 4096, 128), 128);
    assert.equal(stepMiB(512, 600, 4096, 0), 88);
    assert.equal(stepMiB(512, 512, 4096, 128), 0);
    assert.equal(stepMiB(512, 400, 4096, 128), 0);
    assert.equal(stepMiB(4000, 5000, 4096, 128), 0);
    assert.equal(stepMiB(256, 100_000, 200_000, 128), 256 * 48);
    const size = fc.integer({ min: 1, max: 1 << 20 });
    fc.assert(
      fc.property(size, size, size, fc.constantFrom(0, 2, 128, 2048), (now, target, most, block) => {
        const step = stepMiB(now, target, most, block);
        assert.ok(step >= 0 && (step === 0 || (step % Math.max(1, block) === 0 && now + step <= Math.max(most, now))));
      }),
    );
  });

  it("leaves nothing when a module does not fit", async () => {
    const { context, asked } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": 0 }),
        "query-memory-devices": () => [],
        device_add: () => {
          throw new Error("not enough space");
        },
      },
      { maxMiB: 4096, slots: 2 },
    );
    await assert.rejects(resizeByDimms(context, { memoryMiB: 1024, blockMiB: 128 }), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/plug-failed"), String(error));
      assert.equal(error.data.memoryMiB, 512);
      return true;
    });
    assert.deepEqual(
      asked.filter((command) => !command.startsWith("query")),
      ["object-add mem0", "device_add dimmmem0", "object-del mem0"],
    );
  });

  it("is added module by module, without waiting for answers in between", async () => {
    let sizeMiB = 512;
    const modules: unknown[] = [];
    const { context, asked } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": sizeMiB * mib, "plugged-memory": 0 }),
        "query-memory-devices": () => modules,
        device_add: ({ id, slot }) => {
          sizeMiB *= 49;
          modules.push({ type: "dimm", data: { id, slot, addr: sizeMiB * mib, size: 128 * mib } });
          const taken = { name: "ACPI_DEVICE_OST", device: String(id), source: 0, status: 0 } as const;
          setImmediate(() => context.events.take(taken));
        },
      },
      { maxMiB: 512 * 1024, slots: 2 },
    );
    const { added } = await resizeByDimms(context, { memoryMiB: 26 * 1024, blockMiB: 128 });
    assert.equal(added.length, 2);
    const questions = ["query-memory-size-summary", "query-memory-devices"];
    const module = (slot: number) => [`object-add mem${slot}`, `device_add dimmmem${slot}`, "query-memory-devices"];
    assert.deepEqual(asked, [...questions, ...module(0), ...module(1)]);
  });

  it("fails with QEMU's first error when the host has no room", async () => {
    const refusal = new Error("Cannot allocate memory");
    const { context, asked } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": 0 }),
        "query-memory-devices": () => [],
        "object-add": () => {
          throw refusal;
        },
        device_add: () => {
          throw new Error("Device 'mem0' not found");
        },
      },
      { maxMiB: 4096, slots: 2 },
    );
    await assert.rejects(resizeByDimms(context, { memoryMiB: 1024, blockMiB: 128 }), { cause: refusal });
    assert.ok(!asked.includes("object-del mem0"));
  });

  it("names the setting when all slots are in use", async () => {
    const dimm = { type: "dimm", data: { id: "dimmmem1", slot: 1, addr: 0, size: 128 * mib } };
    const { context } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": 128 * mib }),
        "query-memory-devices": () => [dimm],
      },
      { maxMiB: 4096, slots: 2 },
    );
    await assert.rejects(resizeByDimms(context, { memoryMiB: 1024, blockMiB: 128 }), (error) => {
      assert.ok(isKumiteError(error, "hypervisor/plug-failed") && error.hint?.includes("memory_slots"), String(error));
      return true;
    });
  });

  it("is reported with its real size when the guest does not release all of it", async () => {
    let size = 512;
    let requested = 512;
    const { context } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": size * mib }),
        "query-memory-devices": () => [
          { type: "virtio-mem", data: { id: "virtiomem0", size: size * mib, "requested-size": requested * mib } },
        ],
        "qom-set": ({ value }) => {
          requested = Number(value) / mib;
          size = Math.max(requested, 384);
        },
      },
      { maxMiB: 4096, slots: 0, by: "virtio-mem" },
    );
    assert.equal((await resizeByVirtioMem(context, { memoryMiB: 512, blockMiB: 128 })).memoryMiB, 896);
    assert.equal(requested, 384);
    assert.equal((await resizeByVirtioMem(context, { memoryMiB: 1024, blockMiB: 128 })).memoryMiB, 1024);
  });

  it("is not waited for when the guest's memory changes for ever without approaching the target", async () => {
    let looks = 0;
    const { context } = contextWith(
      {
        "query-memory-size-summary": () => ({ "base-memory": 512 * mib, "plugged-memory": 512 * mib }),
        "query-memory-devices": () => [
          {
            type: "virtio-mem",
            data: { id: "virtiomem0", size: (512 + 4 * (looks++ % 97)) * mib, "requested-size": 512 * mib },
          },
        ],
        "qom-set": () => {},
      },
      { maxMiB: 4096, slots: 0, by: "virtio-mem" },
    );
    const { memoryMiB } = await resizeByVirtioMem(context, { memoryMiB: 512, blockMiB: 128 });
    assert.ok(memoryMiB >= 1024, `${memoryMiB}`);
  });
});

describe("PCI slots", () => {
  const device = (id: string, slot: number, model: number, behind?: readonly PciDevice[]): PciDevice => ({
    id,
    slot,
    vendor: 0x1b36,
    device: model,
    behind,
  });

  it("are the free root ports, then the free slots of bridges, then those of a root bus that supports hotplug", () => {
    const used = device("disk-a", 0, 1);
    const devices = [
      device("rp0", 4, 0xc, [used]),
      device("rp1", 5, 0xc, []),
      device("pci-bridge-0", 6, 1, [device("disk-b", 1, 1)]),
      device("", 31, 0x2918),
    ];
    const places = freePlaces(devices, undefined);
    assert.deepEqual(places[0], { bus: "rp1", slot: 0, path: "05/00" });
    assert.deepEqual(places[1], { bus: "pci-bridge-0", slot: 2, path: "06/02" });
    assert.equal(places.length, 1 + 29);
    assert.deepEqual(freePlaces([device("", 4, 1)], "pci.0")[0], { bus: "pci.0", slot: 5, path: "05" });
  });

  it("are assigned once, even before the guest has found the device in them", async () => {
    const bridge = { bus: 0, slot: 4, qdev_id: "rp0", id: { vendor: 0x1b36, device: 0xc }, pci_bridge: { bus: {} } };
    const { context } = contextWith({ "query-pci": () => [{ bus: 0, devices: [bridge] }] });
    const places = new PciPlaces(context.monitor, undefined);
    const place = await places.take();
    assert.equal(place.path, "04/00");
    await assert.rejects(places.take(), /no more bridge slots available/);
    places.giveBack(place);
    assert.deepEqual(await places.take(), place);
  });
});

describe("QEMU's answers about devices", () => {
  it("are refused if they have another form than expected", () => {
    for (const [command, answers] of Object.entries({
      "query-hotpluggable-cpus": [{}, [1], [{ type: 1, props: {} }]],
      "query-cpus-fast": [[{ "thread-id": -1 }], [{}]],
      "query-memory-devices": [[{ type: "dimm", data: { slot: "0" } }], "x"],
      "query-memory-size-summary": [{}, { "base-memory": -1 }, { "base-memory": 2 ** 60 }],
      "query-pci": [[{ bus: 0, devices: [{ slot: 1 }] }], null],
    })) {
      for (const answer of answers) {
        assert.throws(
          () => hotplugResults[command as keyof typeof hotplugResults](answer),
          (error) => isKumiteError(error, "hypervisor/protocol"),
          `${command} ${JSON.stringify(answer)}`,
        );
      }
    }
  });
});
