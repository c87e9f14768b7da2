/**
 * Decides whether a sandbox shares files of the host with its guest. The decision is made with the first container,
 * because a VM gets its shared directory when it is started. A sandbox without shared files has no virtiofsd, and no
 * other process maps its memory.
 */
import type { Config } from "../config/config.ts";
import { containerTypeOf } from "../oci/container-role.ts";
import { type StoragePlan, sharesFiles } from "../storage/container-storage.ts";
import { KumiteError } from "../util/errors.ts";
import type { Container } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";
import { sharedTree } from "./storage-choices.ts";

/**
 * @throws KumiteError `oci/unsupported` for a container that needs files of the host if the configuration forbids
 *   sharing
 */
export function sharingFor(
  config: Config,
  { id, bundle }: Pick<Container, "id" | "bundle">,
  plan: StoragePlan,
): boolean {
  const { sandboxBindMounts } = config.runtime;
  if (!mayShare(config)) {
    if (!sharesFiles(plan) && sandboxBindMounts.length === 0) return false;
    const whose = sharesFiles(plan) ? `container ${id}` : "every sandbox (sandbox_bind_mounts)";
    throw unshared(`${whose} uses files of the host, but shared_fs is "none"`, {
      hint: 'set shared_fs = "virtio-fs" in [hypervisor.qemu]; with "none", root file systems and volumes must be disks or images',
      data: { id },
    });
  }
  // It is not known yet what will join a pod.
  const isPod = containerTypeOf(bundle.spec.annotations) !== "single_container";
  return isPod || sharesFiles(plan) || sandboxBindMounts.length > 0;
}

/** @throws KumiteError `oci/unsupported` if an added container needs files of the host and the VM shares none */
export function requireSharing(sandbox: Sandbox, { id }: Container, plan: StoragePlan): void {
  if (sandbox.running().sharing || !sharesFiles(plan)) return;
  const { id: sandboxId, config } = sandbox.host;
  const what = `container ${id} cannot be added: it uses files of the host, but sandbox ${sandboxId} shares none`;
  const hint = mayShare(config)
    ? "create the sandbox with an engine's pod annotations, so that its later containers can share files"
    : 'set shared_fs = "virtio-fs" in [hypervisor.qemu] and create the sandbox again';
  throw unshared(what, { hint, data: { id, sandbox: sandboxId } });
}

function mayShare(config: Config): boolean {
  return sharedTree(config, "") !== undefined;
}

function unshared(
  message: string,
  more: { readonly hint: string; readonly data: Record<string, string> },
): KumiteError {
  return new KumiteError("oci/unsupported", message, { phase: "storage.share", ...more });
}
