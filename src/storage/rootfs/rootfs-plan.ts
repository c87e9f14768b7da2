/**
 * How a container gets its root file system: types only. `choose-rootfs.ts` decides, `make-rootfs.ts` makes what it takes
 * on the host, `guest-rootfs.ts` says what the guest mounts.
 */

export type RootfsPlan =
  /** The bundle's directory through the directory that host and guest share. The host sees what is written. */
  | { readonly kind: "shared"; readonly directory: string }
  /** The file system of a disk. What is written is on the disk. */
  | { readonly kind: "disk"; readonly disk: DiskSource }
  /** A lower layer that is never written to and an upper one that goes with the machine. The host sees no writes. */
  | { readonly kind: "layers"; readonly lower: LowerLayer; readonly upper: UpperLayer };

export type LowerLayer =
  /** The bundle's directory, shared read-only. */
  | { readonly kind: "shared"; readonly directory: string }
  /** An image of the bundle's directory, made once for each content and kept. */
  | { readonly kind: "image"; readonly directory: string }
  | { readonly kind: "disk"; readonly disk: DiskSource };

export type UpperLayer =
  /** A tmpfs of the guest. */
  | { readonly kind: "memory" }
  /** A file on the host, made for one container and removed with it. */
  | { readonly kind: "disk" };

/** A file system that exists on the host. */
export interface DiskSource {
  /** Of a block device or of a file whose bytes are those of a disk. */
  readonly path: string;
  /** As mount(2) takes it. */
  readonly fstype: string;
  /** Where the root file system begins in it: empty, or `/rootfs`. */
  readonly directory: "" | "/rootfs";
  /** Where the host has mounted it, to be made read-only first: two kernels must not write to one file system. */
  readonly hostMount?: string;
}
