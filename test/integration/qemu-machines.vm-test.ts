/**
 * Starts every kind of VM that the types allow with the real QEMU, without running it: QEMU creates all of its devices
 * before it accepts a command, and refuses those that it does not have.
 */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import type { StartContext } from "../../src/hypervisor/driver.ts";
import { refuseUnsupported } from "../../src/hypervisor/qemu/capabilities.ts";
import { type MachineType, machineTypes } from "../../src/hypervisor/qemu/machine.ts";
import type { QemuDriverOptions } from "../../src/hypervisor/qemu/options.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import type { Disk, MemoryBacking, SharedDirectory, VmSpec } from "../../src/hypervisor/spec.ts";
import { isKumiteError } from "../../src/util/errors.ts";
import { HugePages } from "../support/huge-pages.ts";
import { guardAgainstLeftOvers } from "../support/left-overs.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";
import { allPairs, type Combination, type Settings } from "../support/pairs.ts";
import { testQemu } from "../support/qemu.ts";
import { makeTestDirectory } from "../support/test-directory.ts";

const settings = {
  memory: ["default", "preallocated", "memfd", "file", "private-file", "hugepages"],
  locked: ["no", "yes"],
  growth: ["none", "memory", "vcpus", "both"],
  root: ["initrd", "image", "nvdimm-image"],
  disks: ["none", "plain", "tuned", "scsi", "scsi-thread", "nvdimm"],
  sharing: ["none", "virtio-fs", "9p", "both"],
  ports: ["none", "bridges", "root-ports", "both"],
  extras: ["none", "entropy", "balloon", "iommu", "all"],
  panic: ["ends", "dumped"],
  firmware: ["default", "rom", "flash"],
  cpu: ["default", "features"],
  monitor: ["none", "hmp", "qmp", "qmp-pretty"],
} satisfies Settings;

const os = testOs();
const machineMiB = 64;
let directory = "";

/** Enough for one VM at a time. */
let hugePages: HugePages | undefined;

function disksOf(choice: string): readonly Disk[] {
  const file = (name: string) => path.join(directory, name);
  const disk = (id: string, changes: Partial<Disk> = {}): Disk => {
    return { id, path: file(`${id}.img`), bus: "virtio-blk", readOnly: false, ...changes };
  };
  const direct = { direct: true, noFlush: true };
  switch (choice) {
    case "plain":
      return [
        disk("a", { serial: "serial-of-twenty-ch!" }),
        disk("b", { readOnly: true, aio: "io_uring" }),
        disk("c", { bus: "virtio-scsi" }),
      ];
    case "tuned": {
      const sectors = { logicalSectorBytes: 4096, physicalSectorBytes: 8192 };
      return [disk("a", { cache: direct, aio: "native", ownThread: true, ...sectors })];
    }
    case "scsi":
      return [disk("a", { bus: "virtio-scsi" }), disk("b", { bus: "virtio-scsi", readOnly: true, serial: "x" })];
    case "scsi-thread":
      return [disk("a", { bus: "virtio-scsi", ownThread: true }), disk("b", { bus: "virtio-scsi", ownThread: true })];
    case "nvdimm":
      return [disk("a", { bus: "nvdimm" }), disk("b", { bus: "nvdimm", readOnly: true })];
    default:
      return [];
  }
}

function sharesOf(choice: string): readonly SharedDirectory[] {
  const shared = path.join(directory, "shared");
  switch (choice) {
    case "virtio-fs":
      return [{ tag: "one", path: shared }];
    case "9p":
      return [{ tag: "one", path: shared, by: "9p" }];
    case "both":
      return [
        { tag: "one", path: shared, by: "9p", readOnly: true },
        { tag: "two", path: shared, by: "virtio-fs" },
      ];
    default:
      return [];
  }
}

function backingOf(choice: string): MemoryBacking | undefined {
  switch (choice) {
    case "preallocated":
      return { kind: "ram", preallocated: true };
    case "memfd":
      return { kind: "memfd", shared: true, preallocated: true };
    case "file":
      return { kind: "file", path: directory, shared: true };
    case "private-file":
      return { kind: "file", path: path.join(directory, "memory"), shared: false };
    case "hugepages":
      return { kind: "hugepages", shared: true };
    default:
      return undefined;
  }
}

function specOf(choice: Combination): VmSpec {
  const backing = backingOf(choice.memory ?? "");
  const image = {
    path: path.join(directory, "image.img"),
    bus: choice.root === "image" ? "virtio-blk" : "nvdimm",
  } as const;
  return {
    id: "machines",
    directory: path.join(directory, "vm"),
    vcpus: 1,
    ...(/vcpus|both/.test(choice.growth ?? "") ? { maxVcpus: 3 } : {}),
    memoryMiB: machineMiB,
    ...(/memory|both/.test(choice.growth ?? "") ? { memoryGrowth: { maxMiB: 256, slots: 2 } } : {}),
    ...(backing === undefined ? {} : { memoryBacking: backing }),
    memoryLocked: choice.locked === "yes",
    guest: {
      kernel: path.join(testInstallRoot, "vmlinux"),
      agent: "",
      ...(choice.root === "initrd" ? { initrd: path.join(testInstallRoot, "initrd.img") } : { image }),
    },
    kernelParameters: [],
    sharedDirectories: sharesOf(choice.sharing ?? ""),
    disks: disksOf(choice.disks ?? ""),
    hotplugPorts: portsOf(choice.ports ?? ""),
    ...(/entropy|all/.test(choice.extras ?? "") ? { entropySource: "/dev/urandom" } : {}),
    reclaimsFreeMemory: /balloon|all/.test(choice.extras ?? ""),
    iommu: /iommu|all/.test(choice.extras ?? ""),
    startsPaused: true,
    cgroups: [],
  };
}

function portsOf(choice: string) {
  switch (choice) {
    case "bridges":
      return { bridges: 5, rootPorts: 0 };
    case "root-ports":
      return { bridges: 0, rootPorts: 8 };
    case "both":
      return { bridges: 2, rootPorts: 2 };
    default:
      return { bridges: 0, rootPorts: 0 };
  }
}

function optionsOf(machineType: MachineType, choice: Combination): QemuDriverOptions {
  const firmware =
    choice.firmware === "rom"
      ? ({ kind: "rom", path: "/usr/share/qemu/qboot.rom" } as const)
      : ({ kind: "flash", paths: [path.join(directory, "code.fd"), path.join(directory, "variables.fd")] } as const);
  return {
    ...testQemu,
    accelerator: "tcg",
    machineType,
    ...(choice.firmware === "default" ? {} : { firmware }),
    ...(choice.cpu === "features" ? { cpuFeatures: { pmu: false, avx2: false } } : {}),
    ...(choice.cpu === "features" ? { machineProperties: { "dump-guest-core": false } } : {}),
    ...(choice.panic === "dumped" ? { memoryDump: { directory, paging: false } } : {}),
    throughIommu: choice.extras === "all",
    ...(choice.monitor === "none" ? {} : { extraMonitor: choice.monitor as "hmp" | "qmp" | "qmp-pretty" }),
    ...(choice.sharing === "both" ? { virtioFs: { cache: "auto", queueSize: 512 } } : {}),
  };
}

const context: StartContext = {
  willMake: async () => {},
  made: async () => {},
  signal: new AbortController().signal,
  log: () => {},
};

function isSupported(machineType: MachineType, choice: Combination): boolean {
  if (choice.memory === "hugepages" && hugePages === undefined) return false;
  try {
    refuseUnsupported(specOf(choice), optionsOf(machineType, choice));
    return true;
  } catch (error) {
    assert.ok(isKumiteError(error, "hypervisor/unsupported") && error.hint !== undefined, String(error));
    return false;
  }
}

async function startAndStop(machineType: MachineType, choice: Combination): Promise<void> {
  // A saved VM's memory file already has its size.
  truncateSync(path.join(directory, "memory"), machineMiB * 1024 * 1024);
  const vm = await qemuDriver(os, optionsOf(machineType, choice)).start(specOf(choice), context);
  await vm.stop();
}

describe("a VM configuration", () => {
  before(() => {
    hugePages = HugePages.reserve(machineMiB / 2);
    directory = makeTestDirectory("machines");
    for (const name of ["vm", "shared"]) mkdirSync(path.join(directory, name));
    for (const name of ["memory", "a.img", "b.img", "c.img", "image.img", "code.fd", "variables.fd"]) {
      writeFileSync(path.join(directory, name), "");
      truncateSync(path.join(directory, name), 4 * 1024 * 1024);
    }
  });
  after(() => {
    hugePages?.[Symbol.dispose]();
    rmSync(directory, { recursive: true });
  });
  guardAgainstLeftOvers(() => ({ directories: [directory] }));

  for (const machineType of machineTypes) {
    it(`is accepted by QEMU with any two settings together, on ${machineType}`, async () => {
      const choices = allPairs(settings, (choice) => isSupported(machineType, choice));
      const faults: string[] = [];
      for (const choice of choices) {
        await startAndStop(machineType, choice).catch((error: unknown) => {
          const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : "";
          faults.push(`${JSON.stringify(choice)}: ${String(error)}${cause}`);
        });
      }
      console.log(`# ${machineType}: ${choices.length} machines`);
      assert.deepEqual(faults, []);
    });
  }
});
