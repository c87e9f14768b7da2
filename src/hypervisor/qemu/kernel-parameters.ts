/** The kernel command line of a guest under QEMU. */
import type { Accelerator } from "./machine.ts";

export interface KernelParameterOptions {
  readonly accelerator: Accelerator;
  /** The kernel says everything on the console; costs time. */
  readonly verbose: boolean;
  /** Of `host-cpu.ts`. */
  readonly tscKhz: number | undefined;
}

/** The driver's own; who appends to them wins. */
export function kernelParameters({ accelerator, verbose, tscKhz }: KernelParameterOptions): string[] {
  return [
    "console=ttyS0",
    ...(verbose ? ["loglevel=7"] : ["quiet"]),
    // QEMU runs with -no-reboot: a panic ends the VM at once instead of leaving it to a deadline.
    "panic=-1",
    // Self-tests of cryptographic code, a quarter of the boot time under emulation.
    "cryptomgr.notests",
    // A machine whose memory may grow beyond 4 GiB would set 64 MiB aside for devices that cannot reach that, and clear
    // them: a quarter of an emulated boot. Every device that a machine of ours has reaches all of it.
    "swiotlb=noforce",
    ...(accelerator === "tcg" ? emulatedOnly(tscKhz) : []),
  ];
}

/** A real CPU calibrates and patches itself in no time; an emulated one takes a quarter of a second for it. */
function emulatedOnly(tscKhz: number | undefined): string[] {
  return [
    ...(tscKhz === undefined ? [] : [`tsc_early_khz=${tscKhz}`]),
    // Patching code throws away what was translated of it.
    "noreplace-smp",
    "nolapic_timer",
    // The check counts ticks against a loop: on a busy host an emulated timer fails it, and the kernel panics.
    "no_timer_check",
    // What tracing needs is made of thousands of small steps, a fifth of the boot; nothing in a guest of ours traces.
    `initcall_blacklist=${unneeded.join(",")}`,
    // Making the kernel's memory read-only ends with a walk over every page table that looks for writable code: a third
    // of what is left of the boot. It hardens a guest that an emulator, which QEMU calls no security boundary, runs.
    "rodata=off",
    // Otherwise each further processor is calibrated when it comes up, by loops that are emulated: half a second.
    ...(tscKhz === undefined ? [] : [`lpj=${tscKhz * loopsPerKhz}`]),
  ];
}

/** Tables of trace events and their files, the search of all traceable functions for replaced ones, and a self-test. */
const unneeded = ["trace_eval_init", "tracer_init_tracefs", "ftrace_check_for_weak_functions", "crypto_kdf108_init"];

/** Of a kernel that counts a hundred ticks in a second; one that counts more waits longer than it need, and never less. */
const loopsPerKhz = 1000 / 100;
