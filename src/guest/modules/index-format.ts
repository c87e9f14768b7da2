/**
 * The index of kernel modules in the guest image: which to load first, and what each one needs. Written by
 * `tools/guest/`, read by the agent.
 * Types only: this knows nothing of how modules are found or loaded.
 */

/** Path of the index in the initramfs; the file is JSON in UTF-8. */
export const moduleIndexPath = "/lib/modules/index.json";

/**
 * Module names are the kernel's own (`/proc/modules`): with underscores, never dashes, and without a suffix. A name
 * that `modules` lacks is built into the kernel, or not in this image; nothing is loaded for it.
 */
export interface ModuleIndex {
  /** Version of this format; a reader refuses any other. */
  readonly version: 1;
  /** `uname -r` of the kernel that the modules belong to. Another kernel would refuse to load them. */
  readonly release: string;
  /**
   * Modules that reaching the host takes, in addition to the transport of its devices. They are loaded first, in this
   * order.
   */
  readonly early: readonly string[];
  readonly modules: Readonly<Record<string, ModuleEntry>>;
}

export interface ModuleEntry {
  /** Absolute path of the uncompressed module, ready for finit_module(2). */
  readonly file: string;
  /** All modules that must be loaded before this one (the transitive closure), in a valid order. */
  readonly needs: readonly string[];
}
