/**
 * The QEMU with which tests start VMs: Debian's, or the one in `KUMITE_TEST_QEMU`. `KUMITE_TEST_VIRTIOFSD` names the
 * file-sharing daemon, for a QEMU that comes with another one.
 */
import { virtioFsDaemons } from "../../src/config/resolve.ts";
import type { QemuDriverOptions } from "../../src/hypervisor/qemu/options.ts";

const { KUMITE_TEST_QEMU: qemu, KUMITE_TEST_VIRTIOFSD: virtioFsDaemon } = process.env;

/** For a driver that a test constructs itself. */
export const testQemu = {
  path: qemu ?? "/usr/bin/qemu-system-x86_64",
  virtioFsDaemons: virtioFsDaemon === undefined ? virtioFsDaemons : [virtioFsDaemon],
  accelerator: "auto",
} as const satisfies QemuDriverOptions;

/** Command line options that make the product use the same QEMU; none for Debian's. */
export const testQemuFlags: readonly string[] = [
  ...(qemu === undefined ? [] : ["--set", `hypervisor.qemu.path=${qemu}`]),
  ...(virtioFsDaemon === undefined ? [] : ["--set", `hypervisor.qemu.virtio_fs_daemon=${virtioFsDaemon}`]),
];
