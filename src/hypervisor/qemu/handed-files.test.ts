import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { qemuArguments } from "./command-line.ts";
import { withFilesHanded } from "./handed-files.ts";
import type { QemuMachine } from "./machine.ts";

const cache = { direct: false, noFlush: false };
const machine: QemuMachine = {
  name: "sandbox-a",
  accelerator: "tcg",
  type: "q35",
  vcpus: 1,
  memory: { sizeMiB: 512 },
  boot: { kind: "kernel", kernel: "/k", initrd: "/i", parameters: [] },
  firmware: { kind: "rom", path: "/own.rom" },
  chardevs: [{ id: "fs0", fd: 9 }],
  files: [{ fd: 9, descriptor: { kind: "connect", path: "/vm/fs0.sock" } }],
  images: [
    { id: "a", path: "/a", isDevice: false, readOnly: true, cache, aio: "threads" },
    { id: "b", path: "/dev/b", isDevice: true, readOnly: false, cache: { ...cache, direct: true }, aio: "threads" },
  ],
  devices: [
    { kind: "nvdimm", id: "n", path: "/n", sizeBytes: 4096, readOnly: true },
    { kind: "random", id: "rng0", source: "/dev/hwrng" },
  ],
};

describe("files that QEMU gets as descriptors", () => {
  it("are all files of root that it would open, and are named by their descriptors", () => {
    const handed = withFilesHanded(machine, 10);
    assert.deepEqual(handed.files, [
      { fd: 9, descriptor: { kind: "connect", path: "/vm/fs0.sock" } },
      { fd: 10, descriptor: { kind: "read", path: "/k" } },
      { fd: 11, descriptor: { kind: "read", path: "/i" } },
      { fd: 12, descriptor: { kind: "read", path: "/own.rom" } },
      { fd: 13, descriptor: { kind: "read", path: "/a" }, set: 13 },
      { fd: 14, descriptor: { kind: "readWrite", path: "/dev/b", direct: true }, set: 14 },
      { fd: 15, descriptor: { kind: "read", path: "/n" } },
      { fd: 16, descriptor: { kind: "read", path: "/dev/hwrng" }, set: 16 },
    ]);
    const argv = qemuArguments(handed).join(" ");
    for (const part of [
      "-kernel /proc/self/fd/10 -initrd /proc/self/fd/11",
      "-bios /proc/self/fd/12",
      "-add-fd fd=13,set=13",
      "file.filename=/dev/fdset/13",
      "file.filename=/dev/fdset/14",
      "mem-path=/proc/self/fd/15",
      "rng-random,id=rng0-source,filename=/dev/fdset/16",
    ])
      assert.ok(argv.includes(part), `${part} in ${argv}`);
    assert.ok(!/=\/(k|i|a|n|own\.rom|dev\/b|dev\/hwrng)\b/.test(argv), argv);
  });

  it("are none if QEMU has its own, or starts from a saved state", () => {
    const { firmware: _, images: _images, files: _files, ...rest } = machine;
    const handed = withFilesHanded({ ...rest, boot: { kind: "incoming" }, devices: [] }, 9);
    assert.deepEqual(handed.files, []);
    const own = withFilesHanded({ ...rest, firmware: { kind: "rom", path: "qboot.rom" }, devices: [] }, 9);
    assert.deepEqual(own.firmware, { kind: "rom", path: "qboot.rom" });
    const flash = withFilesHanded({ ...rest, firmware: { kind: "flash", paths: ["/code"] }, devices: [] }, 9);
    assert.deepEqual(flash.firmware, { kind: "flash", paths: ["/dev/fdset/11"] });
  });
});
