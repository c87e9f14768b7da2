import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { isKumiteError } from "../../util/errors.ts";
import type { Disk, VmSpec } from "../spec.ts";
import { refuseUnsupported } from "./capabilities.ts";
import type { MachineType } from "./machine.ts";
import type { QemuDriverOptions } from "./options.ts";

const spec: VmSpec = {
  id: "box",
  directory: "/run/box",
  vcpus: 1,
  memoryMiB: 256,
  guest: { kernel: "/k", initrd: "/i", agent: "/a" },
  kernelParameters: [],
  sharedDirectories: [{ tag: "shared", path: "/s" }],
  cgroups: [],
};
const disk: Disk = { id: "a", path: "/a", bus: "virtio-blk", readOnly: false };
const image = { path: "/image" };

interface Case {
  readonly type?: MachineType;
  readonly spec?: Partial<VmSpec>;
  readonly options?: Partial<QemuDriverOptions>;
  /** If missing, the specification is accepted. */
  readonly says?: RegExp;
}

function check({ type = "q35", spec: changes = {}, options = {}, says }: Case): void {
  const all: QemuDriverOptions = { path: "/q", virtioFsDaemons: [], accelerator: "tcg", machineType: type, ...options };
  const act = () => refuseUnsupported({ ...spec, ...changes }, all);
  if (says === undefined) {
    act();
    return;
  }
  assert.throws(act, (error) => {
    assert.ok(isKumiteError(error, "hypervisor/unsupported"), String(error));
    assert.match(error.message, says);
    return error.message.includes("box") && error.hint !== undefined;
  });
}

describe("what a machine type lacks is refused", () => {
  const disks = (changes: Partial<Disk>) => ({ disks: [{ ...disk, ...changes }] });
  const cases: Readonly<Record<string, Case>> = {
    "a guest with two roots": { spec: { guest: { ...spec.guest, image } }, says: /both an image and an initrd/ },
    "a guest without a root": { spec: { guest: { kernel: "/k", agent: "/a" } }, says: /neither/ },
    "vCPUs to be plugged into a microvm": { type: "microvm", spec: { maxVcpus: 2 }, says: /vCPUs cannot be added/ },
    "memory to be plugged into a microvm": {
      type: "microvm",
      spec: { memoryGrowth: { maxMiB: 512, slots: 1 } },
      says: /memory cannot be added/,
    },
    "ports of a board without PCI": {
      type: "microvm",
      spec: { hotplugPorts: { bridges: 1, rootPorts: 0 } },
      says: /no PCI bridges/,
    },
    "root ports of a board without PCI Express": {
      type: "pc",
      spec: { hotplugPorts: { bridges: 1, rootPorts: 1 } },
      says: /root ports/,
    },
    "an IOMMU elsewhere than on q35": { type: "pc", spec: { iommu: true }, says: /pc has no IOMMU/ },
    "a memory device on a microvm": { type: "microvm", spec: disks({ bus: "nvdimm" }), says: /no nvdimm/ },
    "an image on a memory device of a microvm": {
      type: "microvm",
      spec: { guest: { kernel: "/k", agent: "/a", image: { ...image, bus: "nvdimm" } } },
      says: /no nvdimm/,
    },
    "a microvm that goes on from another": { type: "microvm", spec: { restoreFrom: "/state" }, says: /saved state/ },
    "flash on a microvm": {
      type: "microvm",
      options: { firmware: { kind: "flash", paths: ["/f"] } },
      says: /no flash memory/,
    },
    "native AIO through the page cache": { spec: disks({ aio: "native" }), says: /disk a: native AIO/ },
    "a disk's id that could be an option": { spec: disks({ id: "a,b" }), says: /"a,b" is not a valid disk id/ },
    "a serial that no guest would see whole": { spec: disks({ serial: "x".repeat(21) }), says: /longer than 20/ },
    "virtio-fs with memory that no daemon can map": {
      spec: { memoryBacking: { kind: "ram" } },
      says: /daemon can map/,
    },
    "virtio-fs with memory that is private": {
      spec: { memoryBacking: { kind: "file", path: "/m", shared: false } },
      says: /daemon can map/,
    },
    "a bind": { spec: { sharedDirectories: [{ tag: "x", path: "/x", by: "bind" }] }, says: /directory x/ },
    "read-only virtio-fs": {
      spec: { sharedDirectories: [{ tag: "x", path: "/x", readOnly: true }] },
      says: /read-only/,
    },
  };
  for (const [title, each] of Object.entries(cases)) it(title, () => check(each));

  it("and nothing else", () => {
    check({});
    check({ spec: { iommu: true, hotplugPorts: { bridges: 5, rootPorts: 16 }, ...disks({ bus: "nvdimm" }) } });
    check({ type: "microvm", spec: disks({ bus: "virtio-scsi" }) });
    check({ type: "pc", spec: { memoryBacking: { kind: "hugepages", shared: true } } });
  });
});
