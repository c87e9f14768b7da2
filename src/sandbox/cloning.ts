/**
 * Whether a container can have a machine that goes on from a template, and of which shape: decided from its storage plan and
 * its limits alone, before anything is made.
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
  /** Nobody asked for templates. */
  | { readonly kind: "off" }
  | {
      readonly kind: "possible";
      readonly shape: MachineShape;
      /** Who shares templates with it. */
      readonly scope: string;
    }
  | { readonly kind: "impossible"; readonly why: string };

/** @param sharing files of the host with the guest */
export function cloningOf(
  { os, config, root }: Pick<SandboxHost, "os" | "config" | "root">,
  { rootfs, mounts, volumes }: Pick<StoragePlan, "rootfs" | "mounts" | "volumes">,
  container: SizedContainer,
  sharing: boolean,
): Cloning {
  const { annotations } = container;
  if (config.factory.template === false) return { kind: "off" };
  if (containerTypeOf(annotations) !== "single_container") {
    return impossible("further containers of the pod may need what a clone has not");
  }
  const why = whyNoTemplate(os, config) ?? whyOtherSize(config, [container]);
  if (why !== undefined) return impossible(why);
  if (rootfs.kind === "shared") return impossible('the host has to see what is written (rootfs_writes is "host")');
  if (rootfs.kind === "disk" || rootfs.lower.kind === "disk") {
    return impossible("the root file system is a disk, which a template's machine does not have");
  }
  if (volumes.disks.length > 0) return impossible("a volume is a disk, which a template's machine does not have");
  // 9p, all that a clone has, cannot make sockets and fifos, which a file never needs and a reader never makes.
  const mount = config.runtime.sandboxBindMounts.find(({ readOnly }) => !readOnly);
  if (mount !== undefined)
    return impossible(`${mount.path} (sandbox_bind_mounts) can be written to, which needs virtio-fs`);
  const written = mounts.volumes.find((volume) => volume.kind === "directory" && !volume.readonly);
  if (written !== undefined) return impossible(`the volume ${written.source} can be written to, which needs virtio-fs`);
  const scope = scopeOf(config.factory, root, annotations);
  return { kind: "possible", scope, shape: shapeOf(config, rootfs.lower.kind === "shared", sharing) };
}

/** One whose size is fixed and that has no files of the host needs nothing but its disks. */
function shapeOf({ runtime }: Config, isDirectory: boolean, sharing: boolean): MachineShape {
  if (isDirectory) return "directory";
  return sharing || !runtime.staticResources ? "layers" : "disks";
}

function impossible(why: string): Cloning {
  return { kind: "impossible", why };
}
