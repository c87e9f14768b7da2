/** How single keys of the configuration, and the caller's requests, change QEMU's command line. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolveConfig } from "../config/resolve.ts";
import { capabilitiesOf } from "../hypervisor/qemu/capabilities.ts";
import { isKumiteError } from "../util/errors.ts";
import { linesOf, request, surroundings } from "./machine-of-config.testing.ts";
import { specOf } from "./vm-spec.ts";

describe("a VM", () => {
  it("has a kernel in FIPS mode on a host in FIPS mode", () => {
    const config = resolveConfig({ "hypervisor.qemu": { kernel_params: "a=b" } }, { ...surroundings, fips: true });
    assert.deepEqual(specOf(config, request, capabilitiesOf("q35")).kernelParameters, ["fips=1", "a=b"]);
  });

  it("has disks as the configuration says, unless the disk itself says otherwise", () => {
    const disks = [
      { id: "volume", path: "/dev/volume", bus: "virtio-blk", readOnly: false },
      { id: "upper", path: "/upper", bus: "virtio-blk", readOnly: false, cache: { direct: false, noFlush: true } },
    ] as const;
    const keys = {
      block_device_cache_set: true,
      block_device_cache_direct: true,
      block_device_aio: "native",
      block_device_logical_sector_size: 4096,
      block_device_physical_sector_size: 8192,
      enable_iothreads: true,
    };
    const ofDisks = (lines: string[]) =>
      lines.filter((line) => /^-(blockdev|device virtio-blk|object iothread)/.test(line));
    const sizes = "logical_block_size=4096,physical_block_size=8192";
    assert.deepEqual(ofDisks(linesOf(keys, { request: { disks } })), [
      "-object iothread,id=thread-volume",
      "-object iothread,id=thread-upper",
      "-blockdev driver=raw,node-name=image-volume,read-only=off,cache.direct=on,file.driver=host_device,file.filename=/dev/volume,file.aio=native,file.cache.direct=on",
      "-blockdev driver=raw,node-name=image-upper,read-only=off,cache.no-flush=on,file.driver=file,file.filename=/upper,file.aio=threads,file.cache.no-flush=on",
      `-device virtio-blk-pci,id=disk-volume,drive=image-volume,share-rw=on,${sizes},iothread=thread-volume,romfile=`,
      `-device virtio-blk-pci,id=disk-upper,drive=image-upper,share-rw=on,${sizes},iothread=thread-upper,romfile=`,
    ]);
    const [, image] = ofDisks(linesOf({ block_device_aio: "io_uring" }, { request: { disks } }));
    assert.match(image ?? "", /file.aio=io_uring/);
  });

  it("has slots for hotplugged devices if containers may join it, or the configuration asks for them", () => {
    const places = (qemu: object, takesDevices: boolean) =>
      linesOf({ ...qemu }, { request: { takesDevices } }).filter((line) => /root-port|pci-bridge/.test(line)).length;
    assert.deepEqual([places({}, true), places({}, false)], [4, 0]);
    assert.equal(places({ enable_virtio_mem: true }, false), 4);
    assert.equal(places({ enable_guest_swap: true }, false), 4);
    assert.deepEqual([places({ pcie_root_port: 2 }, true), places({ pcie_root_port: 2 }, false)], [3, 3]);
  });

  it("has legacy virtio devices if it is saved, unless its kernel is not Kumite's own", () => {
    const dialect = (qemu: object, smallState: boolean) =>
      linesOf({ ...qemu }, { request: { smallState } }).filter((line) => line.includes("disable-modern=on")).length;
    assert.deepEqual([dialect({}, false), dialect({}, true), dialect({ kernel: "/their/vmlinux" }, true)], [0, 2, 0]);
    assert.equal(dialect({ enable_iommu: true, enable_iommu_platform: true }, true), 0);
  });

  it("has as many memory slots as configured; by default ten, or four if no container can join it", () => {
    const slots = (qemu: object, takesDevices: boolean) =>
      /slots=(\d+)/.exec(linesOf({ ...qemu }, { request: { takesDevices } }).join(" "))?.[1];
    assert.deepEqual([slots({}, true), slots({}, false)], ["10", "4"]);
    assert.deepEqual([slots({ memory_slots: 0 }, false), slots({ memory_slots: 7 }, false)], ["10", "7"]);
    assert.deepEqual([slots({ enable_virtio_mem: true }, true), slots({ enable_virtio_mem: true }, false)], ["1", "1"]);
    assert.equal(slots({ enable_virtio_mem: true, memory_slots: 3 }, true), "3");
  });

  it("is refused on a board that x86-64 lacks, and the error lists those it has", () => {
    assert.throws(
      () => linesOf({ machine_type: "pseries" }),
      (error) => isKumiteError(error, "hypervisor/unsupported") && (error.hint ?? "").includes("q35, pc, microvm"),
    );
  });
});
