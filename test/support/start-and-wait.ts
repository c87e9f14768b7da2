/**
 * A program for tests: starts a VM without a journal, prints a line, and waits. Arguments: the VM's directory, the
 * shared directory.
 */
import path from "node:path";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import { testInstallRoot, testOs } from "./node-os.ts";
import { testQemu } from "./qemu.ts";

const [directory = "", shared = ""] = process.argv.slice(2);

const driver = qemuDriver(testOs(), {
  ...testQemu,
});
const spec = {
  id: "start-and-wait",
  directory,
  vcpus: 1,
  memoryMiB: 256,
  guest: { kernel: path.join(testInstallRoot, "vmlinux"), initrd: path.join(testInstallRoot, "initrd.img"), agent: "" },
  kernelParameters: [],
  sharedDirectories: [{ tag: "kataShared", path: shared }],
  cgroups: [],
};
const nothing = async () => {};
await driver.start(spec, { willMake: nothing, made: nothing, signal: new AbortController().signal, log: () => {} });
process.stdout.write("started\n");
