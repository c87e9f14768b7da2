/** The devices of a machine as options of QEMU: on PCI, or on virtio-mmio where the board has no PCI. */
import type { Device, DiskFacts, MachineType, QemuMachine } from "./machine.ts";
import { rootBusOf } from "./machine.ts";
import { option, type Properties } from "./option.ts";

type Board = Pick<QemuMachine, "type" | "legacyOnly" | "throughIommu">;

export function deviceOptions(device: Device, board: Board): string[] {
  /** A virtio device; the name is without its transport. */
  const virtio = (name: string, properties: Properties): string[] => virtioDevice(board, name, properties);
  switch (device.kind) {
    case "serial":
      return option("-device", "isa-serial", { chardev: device.chardev });
    case "virtio-serial":
      return virtio("virtio-serial", { id: device.id, max_ports: device.ports });
    case "port":
      return option("-device", "virtserialport", {
        id: device.id,
        bus: `${device.bus}.0`,
        chardev: device.chardev,
        name: device.name,
      });
    case "virtio-fs":
      return virtio("vhost-user-fs", {
        chardev: device.chardev,
        tag: device.tag,
        "queue-size": device.queueSize,
      });
    case "9p":
      return [
        ...option("-fsdev", "local", {
          id: device.id,
          path: device.path,
          security_model: "none",
          // Files of several file systems below one directory keep numbers of their own.
          multidevs: "remap",
          readonly: device.readOnly ? true : undefined,
        }),
        ...virtio("virtio-9p", { fsdev: device.id, mount_tag: device.tag }),
      ];
    case "virtio-blk":
      return virtio("virtio-blk", { id: device.id, ...diskProperties(device), iothread: device.thread });
    case "scsi-controller":
      return virtio("virtio-scsi", { id: device.id, iothread: device.thread });
    case "scsi-disk":
      return option("-device", "scsi-hd", {
        id: device.id,
        bus: `${device.controller}.0`,
        "scsi-id": Math.floor(device.unit / unitsOfTarget),
        lun: device.unit % unitsOfTarget,
        ...diskProperties(device),
      });
    case "nvdimm":
      return [
        ...option("-object", "memory-backend-file", {
          id: `${device.id}-file`,
          "mem-path": device.path,
          size: device.sizeBytes,
          // A private mapping of a file that cannot be written to either.
          share: !device.readOnly,
          readonly: device.readOnly,
        }),
        ...option("-device", "nvdimm", {
          id: device.id,
          memdev: `${device.id}-file`,
          unarmed: device.readOnly ? true : undefined,
        }),
      ];
    case "bridge":
      return option("-device", "pci-bridge", {
        bus: rootBusOf(board.type),
        id: device.id,
        chassis_nr: device.chassis,
        shpc: true,
        addr: device.address.toString(16),
        ...noRom,
      });
    case "root-port":
      return option("-device", "pcie-root-port", {
        bus: rootBusOf(board.type),
        id: device.id,
        chassis: device.chassis,
        slot: device.chassis,
        ...noRom,
      });
    case "network":
      return [
        ...option("-netdev", "tap", {
          id: device.id,
          fds: device.tapFds.join(":"),
          ...(device.vhostFds.length > 0 ? { vhost: true, vhostfds: device.vhostFds.join(":") } : {}),
        }),
        ...virtio("virtio-net", { netdev: device.id, mac: device.macAddress, ...queuesOf(device, board.type) }),
      ];
    case "random":
      return [
        ...option("-object", "rng-random", { id: `${device.id}-source`, filename: device.source }),
        ...virtio("virtio-rng", { id: device.id, rng: `${device.id}-source` }),
      ];
    case "balloon":
      return virtio("virtio-balloon", { id: device.id, "free-page-reporting": true, "deflate-on-oom": true });
    case "iommu":
      return option("-device", "intel-iommu", { intremap: true, "device-iotlb": true, "caching-mode": true });
    case "panic":
      return option("-device", "pvpanic", {});
  }
}

/** Logical units that a target of a SCSI bus has here. */
const unitsOfTarget = 256;

/** No option ROM: nothing boots from our devices. */
const noRom: Properties = { romfile: "" };

function virtioDevice({ type, legacyOnly, throughIommu }: Board, name: string, properties: Properties): string[] {
  if (rootBusOf(type) === undefined) return option("-device", `${name}-device`, properties);
  const choice = served === name ? {} : dialectOf(legacyOnly, throughIommu === true && name !== pageTeller);
  return option("-device", `${name}-pci`, { ...properties, ...choice, ...noRom });
}

/** What speaks as before virtio 1 cannot go through an IOMMU. */
function dialectOf(legacyOnly = false, throughIommu = false): Properties {
  if (throughIommu) return { "disable-legacy": true, iommu_platform: true };
  return legacyOnly ? { "disable-modern": true } : {};
}

/** By another process, which knows virtio 1 only and no IOMMU. */
const served = "vhost-user-fs";
/** It tells of pages of the machine, not of addresses that an IOMMU gives them: its driver refuses to go through one. */
const pageTeller = "virtio-balloon";

function diskProperties({ image, serial, exclusive, logicalSectorBytes, physicalSectorBytes }: DiskFacts): Properties {
  return {
    drive: image,
    "share-rw": exclusive !== true,
    serial,
    logical_block_size: logicalSectorBytes,
    physical_block_size: physicalSectorBytes,
  };
}

/** Each queue has an interrupt for either direction, and the device two more; virtio-mmio has one for all. */
function queuesOf({ tapFds }: { readonly tapFds: readonly number[] }, type: MachineType): Properties {
  if (rootBusOf(type) === undefined) return { mq: tapFds.length > 1 ? true : undefined };
  return { mq: true, vectors: 2 * tapFds.length + 2 };
}
