/**
 * The kernel command line of a guest under QEMU, in an order in which the later wins: what the board needs, the root file
 * system, how much is said, limits, and what init is to do. The caller's own come last.
 */
import type { GuestImage, Verity } from "../spec.ts";
import type { Accelerator, MachineType } from "./machine.ts";

export interface KernelParameterOptions {
  readonly accelerator: Accelerator;
  readonly machineType: MachineType;
  /** The kernel says everything on the console; costs time. */
  readonly verbose: boolean;
  /** Of `host-cpu.ts`. */
  readonly tscKhz: number | undefined;
  readonly maxVcpus: number;
  readonly iommu: boolean;
  /** There is a SCSI bus. */
  readonly scsi: boolean;
  /** Another process than QEMU writes what is read from files into the guest's memory. */
  readonly filesByDaemon: boolean;
  /** `undefined` for a guest whose root file system is an initrd. */
  readonly image: GuestImage | undefined;
}

/** The driver's own. */
export function kernelParameters(options: KernelParameterOptions): string[] {
  const { accelerator, verbose, maxVcpus, iommu, scsi, image } = options;
  return [
    "console=ttyS0",
    // Self-tests of cryptographic code, a quarter of the boot time under emulation.
    "cryptomgr.notests",
    // A machine whose memory may grow beyond 4 GiB would set 64 MiB aside for devices that cannot reach that, and clear
    // them: a quarter of an emulated boot. Every device that a machine of ours has reaches all of it.
    "swiotlb=noforce",
    ...(accelerator === "tcg" ? emulatedOnly(options) : virtualOnly),
    ...(iommu ? ["intel_iommu=on", "iommu=pt"] : ["iommu=off"]),
    ...(image === undefined ? [] : rootParameters(image)),
    ...(verbose ? ["debug", "loglevel=7"] : ["quiet"]),
    // QEMU runs with -no-reboot: a panic ends the VM at once instead of leaving it to a deadline.
    "panic=-1",
    // The kernel keeps some memory for each processor that there might be.
    `nr_cpus=${maxVcpus}`,
    ...(image === undefined ? [] : imageOnly(verbose)),
    // Each disk is told to the guest; looking for others takes seconds.
    ...(scsi ? ["scsi_mod.scan=none"] : []),
  ];
}

/** KVM's clock is trusted, and what a guest under it would measure or patch for real hardware is left out. */
const virtualOnly = ["tsc=reliable", "no_timer_check", "rcupdate.rcu_expedited=1", "noreplace-smp"];

/** A real CPU calibrates and patches itself in no time; an emulated one takes a quarter of a second for it. */
function emulatedOnly({ tscKhz, machineType, filesByDaemon }: KernelParameterOptions): string[] {
  return [
    // On a board without any other clock to compare with, a calibration that fails would never end.
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`]),
    // Patching code throws away what was translated of it.
    "noreplace-smp",
    // The others have a second timer that ticks; without one nothing that waits would ever go on.
    ...(machineType === "microvm" ? [] : ["nolapic_timer"]),
    // The check counts ticks against a loop: on a busy host an emulated timer fails it, and the kernel panics.
    "no_timer_check",
    // What tracing needs is made of thousands of small steps, a fifth of the boot; nothing in a guest of ours traces.
    `initcall_blacklist=${unneeded.join(",")}`,
    // Making the kernel's memory read-only ends with a walk over every page table that looks for writable code: a third
    // of what is left of the boot. It hardens a guest that an emulator, which QEMU calls no security boundary, runs.
    "rodata=off",
    // For the same reason: each piece of memory that the kernel takes would be cleared, four KiB for every path of a call.
    // But QEMU does not see what another process writes, and goes on with what it has translated of a page that has become one
    // of another program. Of a page that was cleared when the kernel took it, nothing is left that was translated.
    `init_on_alloc=${filesByDaemon ? 1 : 0}`,
    // The security modules that decide something without a policy of their own, which nobody loads into a guest: the others
    // (AppArmor, TOMOYO, BPF's) are asked at each call, and look at names and labels before they allow it.
    "lsm=landlock,yama",
    // A busy host looks like a locked-up processor from the inside: it would be told so, by a thread of its own.
    "nowatchdog",
    // A kernel with its firewall built in makes a table by the size of the memory, and walks all of it a second after its
    // start: three million instructions. With this the table takes as many connections, and chains are longer.
    "nf_conntrack.hashsize=8192",
    // Otherwise each further processor is calibrated when it comes up, by loops that are emulated: half a second.
    ...(tscKhz === undefined ? [] : [`lpj=${tscKhz * loopsPerKhz}`]),
  ];
}

/** Tables of trace events and their files, the search of all traceable functions for replaced ones, and a self-test. */
const unneeded = ["trace_eval_init", "tracer_init_tracefs", "ftrace_check_for_weak_functions", "crypto_kdf108_init"];

/** Of a kernel that counts a hundred ticks in a second; one that counts more waits longer than it need, and never less. */
const loopsPerKhz = 1000 / 100;

/** The first partition of the image, which several machines have at the same time. */
function rootParameters({ bus = "virtio-blk", fileSystem = "ext4", verity }: GuestImage): string[] {
  const partition = bus === "nvdimm" ? "/dev/pmem0p" : "/dev/vda";
  const type = ["ro", `rootfstype=${fileSystem}`];
  if (verity === undefined) return [`root=${partition}1`, ...rootFlags(fileSystem, bus === "nvdimm"), ...type];
  // Pages that are mapped directly are verified by nobody.
  return [
    verified(verity, `${partition}1`, `${partition}2`),
    "root=/dev/dm-0",
    ...rootFlags(fileSystem, false),
    ...type,
  ];
}

/** A device that the kernel makes by itself (its admin-guide/device-mapper/dm-init); its size is in sectors. */
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

/** An image has systemd as its init, which starts the agent and nothing else. */
function imageOnly(verbose: boolean): string[] {
  return [
    ...(verbose ? ["systemd.show_status=true", "systemd.log_level=debug"] : ["systemd.show_status=false"]),
    // Interfaces keep the names that they are plugged in with.
    "net.ifnames=0",
    "systemd.unit=kata-containers.target",
    "systemd.mask=systemd-networkd.service",
    "systemd.mask=systemd-networkd.socket",
  ];
}
