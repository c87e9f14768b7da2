/**
 * What the guest image tells the agent about its kernel modules: which to load first, and what each one needs.
 * Written by `tools/guest/`, read by the agent. Types only: knows nothing of how modules are found or loaded.
 */

/** Where the index stands in the initramfs, as JSON in UTF-8. */
export const moduleIndexPath = "/lib/modules/index.json";

/**
 * Names are the kernel's own (`/proc/modules`): underscores, never dashes, no suffix.
 * A name that `modules` lacks is built into the kernel, or not in this image: there is nothing to load for it.
 */
export interface ModuleIndex {
  /** Of this format; a reader refuses any other. */
  readonly version: 1;
  /** `uname -r` of the kernel that the modules belong to; a different running kernel would refuse them all. */
  readonly release: string;
  /** What reaching the host takes beside the transport of its devices, to be loaded in this order before anything else. */
  readonly early: readonly string[];
  readonly modules: Readonly<Record<string, ModuleEntry>>;
}

export interface ModuleEntry {
  /** Absolute path of the uncompressed module, ready for finit_module(2). */
  readonly file: string;
  /** Everything that must be loaded before it (the transitive closure), in an order that works. */
  readonly needs: readonly string[];
}
