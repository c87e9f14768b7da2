/**
 * Decides whether a sandbox can be saved while it runs: everything it has must be in its VM or on disks of its own. The
 * decision depends only on the configuration and the storage plan, and is made before anything else.
 */
import { containerTypeOf } from "../oci/container-role.ts";
import { type StoragePlan, sharesFiles } from "../storage/container-storage.ts";
import { KumiteError } from "../util/errors.ts";
import { driverFor } from "../vm/driver-for.ts";
import type { SandboxHost } from "./sandbox.ts";

export type Saving = { readonly kind: "possible" } | { readonly kind: "impossible"; readonly why: string };

/**
 * @internal
 * @throws KumiteError `snapshot/impossible` if saving is required
 */
export function savingOf(
  { os, id, config, saves }: SandboxHost,
  plan: StoragePlan,
  annotations: Readonly<Record<string, string>> | undefined,
): Saving {
  if (saves === undefined) return { kind: "impossible", why: "`savable` is false" };
  const why = whyNot({ os, config }, plan, annotations);
  if (why === undefined) return { kind: "possible" };
  if (saves === "if-possible") return { kind: "impossible", why };
  throw new KumiteError("snapshot/impossible", `sandbox ${id} could not be saved: ${why}`, {
    phase: "snapshot.plan",
    hint: "use a directory as root file system and no bind mounts, or omit `savable`",
    data: { id },
  });
}

function whyNot(
  { os, config }: Pick<SandboxHost, "os" | "config">,
  plan: StoragePlan,
  annotations: Readonly<Record<string, string>> | undefined,
): string | undefined {
  const { rootfs, volumes } = plan;
  if (!driverFor(os, config).capabilities.snapshots) return "VMs of this hypervisor cannot be saved";
  if (containerTypeOf(annotations) !== "single_container") return "it is a pod, which other containers may join";
  if (!config.runtime.staticResources) {
    return "its VM may be resized while it runs (static_sandbox_resource_mgmt is not set)";
  }
  if (rootfs.kind === "shared")
    return 'writes to its root file system must be visible on the host (rootfs_writes is "host")';
  if (rootfs.kind === "disk" || rootfs.lower.kind === "disk") return "its root file system is a disk";
  if (rootfs.lower.kind === "shared") return "no image can be made of its root file system, so it is shared";
  if (config.runtime.sandboxBindMounts.length > 0) return "every sandbox gets files of the host (sandbox_bind_mounts)";
  if (sharesFiles(plan))
    return "files of the host are shared with it, and the daemon that serves them cannot be copied";
  if (volumes.disks.length > 0) return "one of its volumes is a disk";
  return undefined;
}
