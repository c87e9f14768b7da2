/**
 * Decides whether a container's VM can be a clone of a template, and of which shape. The decision depends only on the
 * storage plan and the limits, and is made before anything else.
 */
import type { Config } from "../config/config.ts";
import { whyNoTemplate } from "../factory/clonable.ts";
import { scopeOf } from "../factory/template-scope.ts";
import type { MachineShape } from "../factory/template-store.ts";
import { containerTypeOf } from "../oci/container-role.ts";
import type { StoragePlan } from "../storage/container-storage.ts";
import { type SizedContainer, whyOtherSize } from "./machine-size.ts";
import type { SandboxHost } from "./sandbox.ts";

export type Cloning =
  /** Templates are not enabled. */
  | { readonly kind: "off" }
  | {
      readonly kind: "possible";
      readonly shape: MachineShape;
      /** Only requests with the same scope share a template. */
      readonly scope: string;
    }
  | { readonly kind: "impossible"; readonly why: string };

/** @param sharing whether files of the host are shared with the guest */
export function cloningOf(
  { os, config, root }: Pick<SandboxHost, "os" | "config" | "root">,
  { rootfs, mounts, volumes }: Pick<StoragePlan, "rootfs" | "mounts" | "volumes">,
  container: SizedContainer,
  sharing: boolean,
): Cloning {
  const { annotations } = container;
  if (config.factory.template === false) return { kind: "off" };
  if (containerTypeOf(annotations) !== "single_container") {
    return impossible("later containers of the pod may need devices that a clone does not have");
  }
  const why = whyNoTemplate(os, config) ?? whyOtherSize(config, [container]);
  if (why !== undefined) return impossible(why);
  if (rootfs.kind === "shared")
    return impossible('writes to the root file system must be visible on the host (rootfs_writes is "host")');
  if (rootfs.kind === "disk" || rootfs.lower.kind === "disk") {
    return impossible("the root file system is a disk, which a template's VM does not have");
  }
  if (volumes.disks.length > 0) return impossible("a volume is a disk, which a template's VM does not have");
  // A clone has only 9p, on which sockets and FIFOs cannot be created. That does not matter for a file or a read-only
  // mount.
  const mount = config.runtime.sandboxBindMounts.find(({ readOnly }) => !readOnly);
  if (mount !== undefined)
    return impossible(`${mount.path} (sandbox_bind_mounts) can be written to, which needs virtio-fs`);
  const written = mounts.volumes.find((volume) => volume.kind === "directory" && !volume.readonly);
  if (written !== undefined) return impossible(`the volume ${written.source} can be written to, which needs virtio-fs`);
  const scope = scopeOf(config.factory, root, annotations);
  return { kind: "possible", scope, shape: shapeOf(config, rootfs.lower.kind === "shared", sharing) };
}

/** A VM whose size is fixed and that shares no files with the host needs only its disks. */
function shapeOf({ runtime }: Config, isDirectory: boolean, sharing: boolean): MachineShape {
  if (isDirectory) return "directory";
  return sharing || !runtime.staticResources ? "layers" : "disks";
}

function impossible(why: string): Cloning {
  return { kind: "impossible", why };
}
