/** The QEMU driver against the contract of all drivers, and what only it has to do. */
import path from "node:path";
import { driverSuite } from "../../src/hypervisor/driver-suite.ts";
import { qemuDriver } from "../../src/hypervisor/qemu/qemu-driver.ts";
import { testInstallRoot, testOs } from "../support/node-os.ts";

const os = testOs();
const guest = {
  kernel: path.join(testInstallRoot, "vmlinux"),
  initrd: path.join(testInstallRoot, "initrd.img"),
  agent: path.join(testInstallRoot, "agent"),
};

driverSuite("qemu", () => ({
  os,
  guest,
  driver: qemuDriver(os, {
    path: "/usr/bin/qemu-system-x86_64",
    virtioFsDaemons: ["/usr/lib/qemu/virtiofsd", "/usr/libexec/virtiofsd"],
    accelerator: "auto",
  }),
}));
