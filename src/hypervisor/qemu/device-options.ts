/** Renders the devices of a VM as QEMU options, on PCI, or on virtio-mmio if the board has no PCI. */
import type { Device, DiskFacts, MachineType, QemuMachine } from "./machine.ts";
import { rootBusOf } from "./machine.ts";
import { option, type Properties } from "./option.ts";

type Board = Pick<QemuMachine, "type" | "legacyOnly" | "throughIommu">;

export function deviceOptions(device: Device, board: Board): string[] {
  /** A virtio device; `name` omits the transport. */
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
          // Keeps inode numbers unique if several file systems are mounted below one directory.
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
          // A read-only file is mapped privately and as read-only.
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

/** Logical units per SCSI target, as used here. */
const unitsOfTarget = 256;

/** Without option ROM, because nothing boots from our devices. */
const noRom: Properties = { romfile: "" };

function virtioDevice({ type, legacyOnly, throughIommu }: Board, name: string, properties: Properties): string[] {
  if (rootBusOf(type) === undefined) return option("-device", `${name}-device`, properties);
  const choice = served === name ? {} : dialectOf(legacyOnly, throughIommu === true && name !== pageTeller);
  return option("-device", `${name}-pci`, { ...properties, ...choice, ...noRom });
}

/** The legacy virtio interface does not work through an IOMMU. */
function dialectOf(legacyOnly = false, throughIommu = false): Properties {
  if (throughIommu) return { "disable-legacy": true, iommu_platform: true };
  return legacyOnly ? { "disable-modern": true } : {};
}

/** This device is served by another process, which supports only virtio 1 and no IOMMU. */
const served = "vhost-user-fs";
/** The balloon reports physical pages, not IOMMU addresses, so its driver refuses an IOMMU. */
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

/** One interrupt for each direction of each queue, and two for the device. virtio-mmio has a single interrupt. */
function queuesOf({ tapFds }: { readonly tapFds: readonly number[] }, type: MachineType): Properties {
  if (rootBusOf(type) === undefined) return { mq: tapFds.length > 1 ? true : undefined };
  return { mq: true, vectors: 2 * tapFds.length + 2 };
}
