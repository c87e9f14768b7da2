/**
 * The ways to provide a root file system; types only. `choose-rootfs.ts` decides, `make-rootfs.ts` makes what is needed
 * on the host, and `guest-rootfs.ts` says what the guest mounts.
 */

export type RootfsPlan =
  /** The bundle's directory through the shared directory. The host sees the container's writes. */
  | { readonly kind: "shared"; readonly directory: string }
  /** The file system of a disk. The container's writes go to the disk. */
  | { readonly kind: "disk"; readonly disk: DiskSource }
  /** A lower layer that is never written, and an upper layer that is discarded with the VM. The host sees no writes. */
  | { readonly kind: "layers"; readonly lower: LowerLayer; readonly upper: UpperLayer };

export type LowerLayer =
  /** The bundle's directory, shared read-only. */
  | { readonly kind: "shared"; readonly directory: string }
  /** An image of the bundle's directory, made once per content and kept. */
  | { readonly kind: "image"; readonly directory: string }
  | { readonly kind: "disk"; readonly disk: DiskSource };

export type UpperLayer =
  /** A tmpfs in the guest. */
  | { readonly kind: "memory" }
  /** A file on the host, made for one container and removed with it. */
  | { readonly kind: "disk" };

/** A file system that exists on the host. */
export interface DiskSource {
  /** Path of a block device or of a disk image. */
  readonly path: string;
  /** As mount(2) takes it. */
  readonly fstype: string;
  /** Directory of the root file system in it: empty, or `/rootfs`. */
  readonly directory: "" | "/rootfs";
  /**
   * Where the host has it mounted. It is made read-only there, because two kernels must not write to one file system.
   */
  readonly hostMount?: string;
}
