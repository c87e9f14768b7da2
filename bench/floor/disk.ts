/** The floor of file systems: `io.c` as the only program of a VM, on an ext4 on its disk. */
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { qemuArguments } from "../../src/hypervisor/qemu/command-line.ts";
import type { QemuMachine } from "../../src/hypervisor/qemu/machine.ts";
import { run } from "../../tools/engine/run.ts";
import { cpioArchive } from "../../tools/guest/cpio.ts";
import { kernelInUse } from "../../tools/guest/kernel-in-use.ts";
import type { FloorOptions } from "./run.ts";

const deadlineMs = 120_000;
const consoleFd = 3;

export interface DiskFloor {
  /** Path of the measuring program, statically linked. */
  readonly program: string;
  readonly kernel: string;
  readonly initrd: string;
}

export async function buildDiskFloor(directory: string): Promise<DiskFloor> {
  await mkdir(directory, { recursive: true });
  const program = path.join(directory, "io");
  const source = path.join(import.meta.dirname, "io.c");
  await run("musl-gcc", ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-s", "-o", program, source]);
  const kernel = await kernelInUse(() => {});
  const names = ["virtio_pci", "virtio_blk", "ext4"];
  const needed = names.flatMap((name) => [...(kernel.index.modules[name]?.needs ?? []), name]);
  // A kernel may have any of them built in.
  const files = [...new Set(needed)].flatMap((name) => {
    const file = kernel.moduleFiles.get(name);
    return file === undefined ? [] : [{ name: `io/${name}.ko`, file }];
  });
  const initrd = path.join(directory, "io.img");
  const archive = cpioArchive([
    { kind: "directory", path: "dev", mode: 0o755 },
    { kind: "character-device", path: "dev/console", mode: 0o600, major: 5, minor: 1 },
    { kind: "directory", path: "io", mode: 0o755 },
    { kind: "file", path: "init", mode: 0o755, content: await readFile(program) },
    { kind: "file", path: "io/modules", mode: 0o644, content: Buffer.from(files.map((f) => `/${f.name}\n`).join("")) },
    ...(await Promise.all(
      files.map(async ({ name, file }) => {
        return { kind: "file", path: name, mode: 0o644, content: await readFile(file) } as const;
      }),
    )),
  ]);
  await writeFile(initrd, archive);
  return { program, kernel: kernel.vmlinux, initrd };
}

/** Returns what the program prints. @param image an ext4 that the program has prepared; it is written to */
export async function runDiskFloor(
  { kernel, initrd }: DiskFloor,
  { qemu, accelerator, memoryMiB, parameters }: Omit<FloorOptions, "guest">,
  image: string,
): Promise<string> {
  const machine: QemuMachine = {
    name: "floor",
    type: "q35",
    accelerator,
    vcpus: 1,
    memory: { sizeMiB: memoryMiB },
    boot: { kind: "kernel", kernel, initrd, parameters },
    chardevs: [{ id: "console", fd: consoleFd }],
    images: [
      {
        id: "image",
        path: image,
        isDevice: false,
        readOnly: false,
        cache: { direct: false, noFlush: false },
        aio: "threads",
      },
    ],
    devices: [
      { kind: "serial", chardev: "console" },
      { kind: "virtio-blk", id: "disk", image: "image" },
    ],
  };
  const child = spawn(qemu, qemuArguments(machine), { stdio: ["ignore", "ignore", "inherit", "pipe"] });
  const limit = setTimeout(() => child.kill("SIGKILL"), deadlineMs);
  let said = "";
  child.stdio[consoleFd]?.on("data", (chunk: Buffer) => (said += chunk));
  await new Promise((settle) => child.once("exit", settle));
  clearTimeout(limit);
  return said;
}
