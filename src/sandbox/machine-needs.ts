/**
 * What the first container of a sandbox needs of its VM, and the request to boot such a VM. Depends only on the
 * specification, the configuration and the storage plan, so the command that starts a VM ahead and the shim reach the
 * same result. Pure.
 */
import type { Config } from "../config/config.ts";
import type { Disk, MemoryBacking } from "../hypervisor/spec.ts";
import type { Bundle } from "../oci/bundle.ts";
import { containerTypeOf } from "../oci/container-role.ts";
import type { StoragePlan } from "../storage/container-storage.ts";
import type { VmRequest } from "../vm/vm-spec.ts";
import { sharingFor } from "./file-sharing.ts";
import { bootSizeOf, type SizedContainer } from "./machine-size.ts";
import { rareNeedsOf, sharedTree } from "./storage-choices.ts";

export interface MachineNeeds {
  /** Whether a container of the sandbox needs files of the host, or may need them later. */
  readonly sharing: boolean;
  readonly rare: ReturnType<typeof rareNeedsOf>;
  /** Other containers may join and bring disks. */
  readonly isPod: boolean;
}

/** @throws KumiteError as `sharingFor` */
export function machineNeedsOf(
  config: Config,
  container: { readonly id: string; readonly bundle: Bundle },
  plan: StoragePlan,
): MachineNeeds {
  const isPod = containerTypeOf(container.bundle.spec.annotations) !== "single_container";
  return { sharing: sharingFor(config, container, plan), rare: rareNeedsOf(config, plan, isPod), isPod };
}

export interface MachineSetting extends Pick<VmRequest, "id" | "directory" | "cgroups"> {
  readonly disks: readonly Disk[];
  /** The directory of the host that the guest sees. */
  readonly view: string;
  readonly containers: readonly SizedContainer[];
  readonly takesDevices: boolean;
  /** Default: as configured. */
  readonly memory?: { readonly memoryBacking: MemoryBacking } | undefined;
}

export function bootRequestOf(
  config: Config,
  { sharing, rare }: Pick<MachineNeeds, "sharing" | "rare">,
  { view, containers, takesDevices, memory, ...setting }: MachineSetting,
): VmRequest {
  const directory = sharing ? sharedTree(config, view) : undefined;
  return {
    ...setting,
    ...rare,
    ...memory,
    sharedDirectories: directory === undefined ? [] : [directory],
    size: bootSizeOf(config, containers),
    takesDevices,
  };
}
