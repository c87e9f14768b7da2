/**
 * One boot of the floor: QEMU with the options of the product's own driver, the product's kernel, and the static init
 * that writes a byte. It has no file-sharing device, since that needs a daemon, which is a cost of the product.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Readable } from "node:stream";
import { qemuArguments } from "../../src/hypervisor/qemu/command-line.ts";
import type { Accelerator, QemuMachine } from "../../src/hypervisor/qemu/machine.ts";
import { cpuSeconds } from "../process-cost.ts";
import { type FloorGuest, floorMarker } from "./build.ts";

export interface FloorOptions {
  readonly guest: FloorGuest;
  readonly qemu: string;
  readonly accelerator: Accelerator;
  readonly memoryMiB: number;
  readonly parameters: readonly string[];
}

export interface BootCost {
  /** From the start of the program to the guest's first byte. */
  readonly wallMs: number;
  /** QEMU's CPU time at that moment. */
  readonly qemuCpuSeconds: number;
}

const deadlineMs = 60_000;
/** Descriptors in QEMU: 3 carries the byte, 4 the console. */
const [byteFd, consoleFd] = [3, 4];

export async function bootFloor(options: FloorOptions): Promise<BootCost> {
  const began = performance.now();
  const child = spawn(options.qemu, qemuArguments(floorMachine(options)), {
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"],
  });
  const limit = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  let said = "";
  for (const stream of [child.stdio[2], child.stdio[consoleFd]] as Readable[]) {
    stream.on("data", (chunk: Buffer) => {
      said = (said + chunk).slice(-4096);
    });
  }
  const port = child.stdio[byteFd] as Readable;
  try {
    const [first] = (await Promise.race([once(port, "data"), once(child, "exit").then(() => [undefined])])) as [
      Buffer?,
    ];
    const wallMs = performance.now() - began;
    if (first?.[0] !== floorMarker) throw new Error(`the floor did not come up\n${said}`);
    return { wallMs, qemuCpuSeconds: cpuSeconds(child.pid ?? -1) };
  } finally {
    clearTimeout(limit);
    child.kill("SIGKILL");
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
}

function floorMachine({ guest, accelerator, memoryMiB, parameters }: FloorOptions): QemuMachine {
  return {
    name: "floor",
    type: "q35",
    accelerator,
    vcpus: 1,
    memory: { sizeMiB: memoryMiB, backing: { kind: "memfd", shared: true } },
    boot: { kind: "kernel", kernel: guest.vmlinux, initrd: guest.initrd, parameters },
    chardevs: [
      { id: "byte", fd: byteFd },
      { id: "console", fd: consoleFd },
    ],
    devices: [
      { kind: "serial", chardev: "console" },
      { kind: "virtio-serial", id: "serial", ports: 2 },
      { kind: "port", id: "floor-port", bus: "serial", chardev: "byte", name: "floor.0" },
    ],
  };
}
