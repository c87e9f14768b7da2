/** The bus for block devices of the host, as configured. */
import { type BlockDriver, type Config, type HypervisorConfig, hypervisorConfigOf } from "../config/config.ts";
import type { DiskBus } from "../hypervisor/spec.ts";
import { KumiteError } from "../util/errors.ts";

/** @throws KumiteError `hypervisor/unsupported` for a bus that the board does not have or that disks cannot use */
export function diskBusOf(config: Config): DiskBus {
  const machine = hypervisorConfigOf(config);
  return busOf(machine.block.driver, machine);
}

function busOf(driver: BlockDriver, { machineType }: HypervisorConfig): DiskBus {
  switch (driver) {
    case "virtio-blk":
    case "virtio-scsi":
      return driver;
    case "virtio-mmio":
      // On microvm, virtio-blk uses the transport virtio-mmio.
      if (machineType === "microvm") return "virtio-blk";
      throw refused(driver, `${machineType} has no virtio-mmio`);
    case "nvdimm":
      throw refused(driver, "a container's disk cannot be a memory device");
    case "virtio-blk-ccw":
      throw refused(driver, "only IBM Z has a channel subsystem");
  }
}

function refused(driver: BlockDriver, why: string): KumiteError {
  return new KumiteError("hypervisor/unsupported", `block_device_driver is ${driver}, but ${why}`, {
    phase: "storage.plan",
    hint: 'set block_device_driver = "virtio-blk" or "virtio-scsi" in [hypervisor.qemu]',
  });
}
