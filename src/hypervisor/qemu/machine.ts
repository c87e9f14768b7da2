/**
 * A machine for QEMU as data: what it consists of, not how a command line says it.
 * Descriptor numbers are those of the QEMU process.
 */

export type Accelerator = "kvm" | "tcg";

export interface QemuMachine {
  /** Shown in the process list. */
  readonly name: string;
  readonly accelerator: Accelerator;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** Guest memory as a file that another process can map: what vhost-user devices need. */
  readonly sharedMemory: boolean;
  /** Takes the place of `sharedMemory`: a file of the memory's size, which the guest changes when it is shared. */
  readonly memoryFile?: { readonly path: string; readonly shared: boolean };
  readonly boot: Boot;
  /** Descriptor of the connected QMP stream; none for a machine nobody talks to. */
  readonly monitor?: number;
  readonly chardevs: readonly Chardev[];
  readonly devices: readonly Device[];
}

export type Boot =
  | {
      readonly kind: "kernel";
      /** Uncompressed ELF with a PVH entry. */
      readonly kernel: string;
      readonly initrd?: string;
      readonly parameters: readonly string[];
    }
  /** Waits for the state of another machine. */
  | { readonly kind: "incoming" };

/** Where the bytes of a character device go. */
export type Chardev =
  /** A connected stream socket that QEMU was started with. */
  | { readonly kind: "descriptor"; readonly id: string; readonly fd: number }
  /** A unix socket that QEMU connects to. */
  | { readonly kind: "connect"; readonly id: string; readonly path: string };

export type Device =
  /** `ttyS0`, there from the first line of the kernel. */
  | { readonly kind: "serial"; readonly chardev: string }
  | { readonly kind: "virtio-serial"; readonly id: string; readonly ports: number }
  /** A port of a virtio-serial device; the guest finds it by its name, events name it by its id. */
  | {
      readonly kind: "port";
      readonly id: string;
      readonly bus: string;
      readonly chardev: string;
      readonly name: string;
    }
  /** A shared directory served by a daemon behind `chardev`; the guest mounts it by its tag. */
  | { readonly kind: "virtio-fs"; readonly chardev: string; readonly tag: string }
  /** A directory that QEMU serves itself; the guest mounts it by its tag. */
  | { readonly kind: "9p"; readonly id: string; readonly path: string; readonly tag: string };
