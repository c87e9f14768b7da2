import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { qemuArguments } from "./command-line.ts";
import type { QemuMachine } from "./machine.ts";
import { renderOption } from "./option.ts";

const machine: QemuMachine = {
  name: "sandbox-a",
  accelerator: "tcg",
  type: "q35",
  vcpus: 1,
  memory: { sizeMiB: 512, backing: { kind: "memfd", shared: true } },
  boot: { kind: "kernel", kernel: "/k", initrd: "/i", parameters: ["quiet", "a=b"] },
  monitor: 3,
  chardevs: [
    { id: "console", fd: 5 },
    { id: "fs0", fd: 9 },
  ],
  devices: [
    { kind: "serial", chardev: "console" },
    { kind: "virtio-serial", id: "serial", ports: 2 },
    { kind: "port", id: "agent-port", bus: "serial", chardev: "agent", name: "agent.channel.0" },
    { kind: "virtio-fs", chardev: "fs0", tag: "kataShared" },
  ],
};

function valuesOf(flag: string, argv: readonly string[]): string[] {
  return argv.flatMap((word, at) => (argv[at - 1] === flag ? [word] : []));
}

describe("a QEMU command line", () => {
  it("confines QEMU for every VM", () => {
    assert.deepEqual(valuesOf("-sandbox", qemuArguments(machine)), [
      "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    ]);
  });

  it("ignores QEMU's configuration files and creates no default device", () => {
    const argv = qemuArguments(machine);
    for (const flag of ["-nodefaults", "-no-user-config", "-no-reboot"]) assert.ok(argv.includes(flag), flag);
  });

  it("gives an emulated CPU no fast strings, and one under KVM everything that the host has", () => {
    assert.deepEqual(valuesOf("-cpu", qemuArguments(machine)), ["max,erms=off,fsrm=off,la57=off"]);
    assert.deepEqual(valuesOf("-cpu", qemuArguments({ ...machine, accelerator: "kvm" })), ["host"]);
  });

  it("backs the memory by a shared file only if a device in another process needs it", () => {
    assert.deepEqual(valuesOf("-object", qemuArguments(machine)), ["memory-backend-memfd,id=ram,size=512M,share=on"]);
    assert.ok(valuesOf("-machine", qemuArguments(machine)).join().includes("memory-backend=ram"));
    const own = qemuArguments({ ...machine, memory: { sizeMiB: 512 } });
    assert.deepEqual(valuesOf("-object", own), []);
    assert.ok(!own.join(" ").includes("memory-backend"));
  });

  it("uses the memory and the state of a saved VM instead of a kernel, and keeps its own writes private", () => {
    const memory = { sizeMiB: 512, backing: { kind: "file", path: "/proc/self/fd/6", shared: false } } as const;
    const argv = qemuArguments({ ...machine, memory, boot: { kind: "incoming" } });
    assert.deepEqual(valuesOf("-object", argv), [
      "memory-backend-file,id=ram,size=512M,mem-path=/proc/self/fd/6,share=off",
    ]);
    assert.deepEqual(valuesOf("-incoming", argv), ["defer"]);
    for (const flag of ["-kernel", "-initrd", "-append"]) assert.ok(!argv.includes(flag), flag);
  });

  it("connects every channel of the VM to a descriptor that exists", () => {
    const argv = qemuArguments(machine);
    assert.deepEqual(valuesOf("-chardev", argv), [
      "socket,id=monitor,fd=3",
      "socket,id=console,fd=5",
      "socket,id=fs0,fd=9",
    ]);
    assert.deepEqual(valuesOf("-device", argv), [
      "isa-serial,chardev=console",
      "virtio-serial-pci,id=serial,max_ports=2,romfile=",
      "virtserialport,id=agent-port,bus=serial.0,chardev=agent,name=agent.channel.0",
      "vhost-user-fs-pci,chardev=fs0,tag=kataShared,romfile=",
    ]);
  });

  it("keeps a comma in a value part of the value, so that it adds no option", () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes("\0")),
        (value) => {
          // Parses as QEMU does: a doubled comma is a comma, and a single one ends the value.
          const parsed = renderOption("socket", { path: value, fd: 3 })
            .replaceAll(",,", "\0")
            .split(",")
            .map((word) => word.replaceAll("\0", ","));
          assert.deepEqual(parsed, ["socket", `path=${value}`, "fd=3"]);
        },
      ),
    );
  });
});
