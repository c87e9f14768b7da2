/**
 * The kernel command line of a guest under QEMU. Later parameters win, so the order is: the board, the root file
 * system, verbosity, limits, and init. The caller's parameters come last.
 */
import type { GuestImage, Verity } from "../spec.ts";
import type { Accelerator, MachineType } from "./machine.ts";

export interface KernelParameterOptions {
  readonly accelerator: Accelerator;
  readonly machineType: MachineType;
  /** The kernel logs everything to the console, which takes time. */
  readonly verbose: boolean;
  /** The result of `tscFrequencyKhz` in `host-cpu.ts`. */
  readonly tscKhz: number | undefined;
  readonly maxVcpus: number;
  readonly iommu: boolean;
  /** The VM has a SCSI bus. */
  readonly scsi: boolean;
  /** Another process than QEMU (virtiofsd) writes the content of files into the guest's memory. */
  readonly filesByDaemon: boolean;
  /** `undefined` if the guest's root file system is an initrd. */
  readonly image: GuestImage | undefined;
}

/** The driver's own parameters. */
export function kernelParameters(options: KernelParameterOptions): string[] {
  const { accelerator, verbose, maxVcpus, iommu, scsi, image } = options;
  return [
    "console=ttyS0",
    // Self-tests of cryptographic code take a quarter of the boot time under emulation.
    "cryptomgr.notests",
    // A VM whose memory may grow beyond 4 GiB would reserve and clear 64 MiB for devices with 32-bit DMA, a quarter of
    // an emulated boot. All of our devices can address the whole memory.
    "swiotlb=noforce",
    ...(accelerator === "tcg" ? emulatedOnly(options) : virtualOnly),
    ...(iommu ? ["intel_iommu=on", "iommu=pt"] : ["iommu=off"]),
    ...(image === undefined ? [] : rootParameters(image)),
    ...(verbose ? ["debug", "loglevel=7"] : ["quiet"]),
    // QEMU runs with -no-reboot, so a panic ends the VM at once instead of at a deadline.
    "panic=-1",
    // The kernel reserves memory for each possible CPU.
    `nr_cpus=${maxVcpus}`,
    ...(image === undefined ? [] : imageOnly(verbose)),
    // The guest is told about each disk; scanning for others takes seconds.
    ...(scsi ? ["scsi_mod.scan=none"] : []),
  ];
}

/** KVM's clock is trusted, and measurements and patches meant for real hardware are skipped. */
const virtualOnly = ["tsc=reliable", "no_timer_check", "rcupdate.rcu_expedited=1", "noreplace-smp"];

/** A real CPU is calibrated, and the kernel patched for it, in no time; an emulated CPU takes a quarter of a second. */
function emulatedOnly({ tscKhz, machineType, filesByDaemon }: KernelParameterOptions): string[] {
  return [
    // On a board without another clock to compare with, a failed calibration would never end.
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`]),
    // Patching code discards its translation.
    "noreplace-smp",
    // Other boards have a second timer. On microvm everything that waits would wait for ever.
    ...(machineType === "microvm" ? [] : ["nolapic_timer"]),
    // The check compares ticks with a loop. On a busy host an emulated timer fails it, and the kernel panics.
    "no_timer_check",
    // Setting up tracing takes thousands of small steps, a fifth of the boot. Nothing in our guests traces.
    `initcall_blacklist=${unneeded.join(",")}`,
    // Making the kernel's memory read-only ends with a search of every page table for writable code, a third of the
    // remaining boot. It would harden a guest that runs in an emulator, which QEMU does not consider a security
    // boundary.
    "rodata=off",
    // Likewise, clearing allocated memory costs time, e.g. 4 KiB for every path in a system call. But TCG does not
    // notice writes by another process (virtiofsd), and would run stale translations of a page that now holds another
    // program. Clearing each page when it is allocated discards its translations.
    `init_on_alloc=${filesByDaemon ? 1 : 0}`,
    // Only the security modules that work without a policy, since no policy is loaded in a guest. The others (AppArmor,
    // TOMOYO, BPF) would be called for each operation, and look at names and labels before they allow it.
    "lsm=landlock,yama",
    // To the guest a busy host looks like a CPU lockup, which a kernel thread would report.
    "nowatchdog",
    // A kernel with a built-in firewall sizes this table by the memory and scans all of it a second after its start:
    // three million instructions. With this value the table takes as many connections, but its chains are longer.
    "nf_conntrack.hashsize=8192",
    // Otherwise each further CPU is calibrated with emulated loops when it comes up, which takes half a second.
    ...(tscKhz === undefined ? [] : [`lpj=${tscKhz * loopsPerKhz}`]),
  ];
}

/** Tables and files of trace events, the search for replaced functions among the traceable ones, and a self-test. */
const unneeded = ["trace_eval_init", "tracer_init_tracefs", "ftrace_check_for_weak_functions", "crypto_kdf108_init"];

/** For a kernel with 100 ticks per second. A kernel with more ticks only waits longer than necessary, never less. */
const loopsPerKhz = 1000 / 100;

/** The first partition of the image, which several VMs may use at the same time. */
function rootParameters({ bus = "virtio-blk", fileSystem = "ext4", verity }: GuestImage): string[] {
  const partition = bus === "nvdimm" ? "/dev/pmem0p" : "/dev/vda";
  const type = ["ro", `rootfstype=${fileSystem}`];
  if (verity === undefined) return [`root=${partition}1`, ...rootFlags(fileSystem, bus === "nvdimm"), ...type];
  // Directly mapped pages (DAX) bypass the verification.
  return [
    verified(verity, `${partition}1`, `${partition}2`),
    "root=/dev/dm-0",
    ...rootFlags(fileSystem, false),
    ...type,
  ];
}

/** Creates a device-mapper device at boot (see admin-guide/device-mapper/dm-init); sizes are in sectors. */
function verified(verity: Verity, data: string, hashes: string): string {
  const { rootHash, salt, dataBlocks, dataBlockBytes, hashBlockBytes } = verity;
  const sectors = (dataBlocks * dataBlockBytes) / 512;
  const blocks = `${dataBlockBytes} ${hashBlockBytes} ${dataBlocks} 0`;
  return `dm-mod.create="root,,,ro,0 ${sectors} verity 1 ${data} ${hashes} ${blocks} sha256 ${rootHash} ${salt || "-"}"`;
}

function rootFlags(fileSystem: NonNullable<GuestImage["fileSystem"]>, dax: boolean): string[] {
  const flags = [...(dax ? ["dax"] : []), ...(fileSystem === "ext4" ? ["data=ordered", "errors=remount-ro"] : [])];
  return flags.length === 0 ? [] : [`rootflags=${flags.join(",")}`];
}

/** An image has systemd as its init, which starts only the agent. */
function imageOnly(verbose: boolean): string[] {
  return [
    ...(verbose ? ["systemd.show_status=true", "systemd.log_level=debug"] : ["systemd.show_status=false"]),
    // Interfaces keep the kernel's names.
    "net.ifnames=0",
    "systemd.unit=kata-containers.target",
    "systemd.mask=systemd-networkd.service",
    "systemd.mask=systemd-networkd.socket",
  ];
}
