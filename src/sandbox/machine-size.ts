/** The size that a sandbox's VM should have, from the configuration and from what its containers ask for now. */
import { type Config, type HypervisorConfig, hypervisorConfigOf } from "../config/config.ts";
import { containerTypeOf } from "../oci/container-role.ts";
import type { OciResources } from "../oci/spec.ts";
import type { BootSize } from "../vm/vm-spec.ts";
import { demandOf, type Sizing, type SizingBase, type SizingRule, sizeSandbox } from "./sizing.ts";
import { type StaticSizing, staticContainerSizing, staticPodSizing } from "./static-sizing.ts";

/** The properties of a container that determine the size. */
export interface SizedContainer {
  readonly id: string;
  readonly resources: OciResources;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** The size for containers that have not stopped. The first must be the sandbox's first container. */
export function sizingOf(config: Config, containers: readonly SizedContainer[]): Sizing {
  const fixed = fixedSizing(config, containers);
  if (fixed !== undefined) return sizeSandbox("fractional", fixed.base, []);
  return sizeSandbox(
    ruleOf(config.era),
    baseOf(hypervisorConfigOf(config)),
    containers.map(({ id, resources }) => demandOf(id, resources)),
  );
}

/** The size of a sandbox whose size never changes; `undefined` for others. */
function fixedSizing(config: Config, [first]: readonly SizedContainer[]): StaticSizing | undefined {
  if (!config.runtime.staticResources || first === undefined) return undefined;
  const base = baseOf(hypervisorConfigOf(config));
  return containerTypeOf(first.annotations) === "single_container"
    ? staticContainerSizing(base, first.id, first.resources)
    : staticPodSizing(base, first.annotations ?? {});
}

/**
 * The reason why a VM of the configured size does not fit even if devices are plugged in later: the size is fixed
 * before the start (`static_sandbox_resource_mgmt`), and the containers call for another one.
 */
export function whyOtherSize(config: Config, containers: readonly SizedContainer[]): string | undefined {
  if (fixedSizing(config, containers) === undefined) return undefined;
  const { vcpus, memoryMiB } = bootSizeOf(config, containers);
  const usual = hypervisorConfigOf(config);
  if (vcpus === usual.vcpus && memoryMiB === usual.memoryMiB) return undefined;
  return "the VM's size is fixed before its start, by the container's limits (static_sandbox_resource_mgmt)";
}

/**
 * The size that a VM boots with. It has all of its memory, which costs nothing until it is used. Further vCPUs are
 * plugged in while the container is created, because under emulation each additional vCPU slows the boot down.
 */
export function bootSizeOf(config: Config, containers: readonly SizedContainer[]): BootSize {
  const { vcpus, memoryMiB, base } = sizingOf(config, containers);
  if (fixedSizing(config, containers) !== undefined) return { vcpus, memoryMiB, allVcpus: vcpus, grows: false };
  const least = Math.max(1, Math.ceil(base.vcpus));
  return { vcpus: Math.min(least, vcpus), memoryMiB, allVcpus: vcpus, grows: true };
}

function ruleOf(era: Config["era"]): SizingRule {
  switch (era) {
    case "1.0":
    case "1.4":
      return "per-container";
    case "1.6":
      return "whole-sandbox";
    case "3.x":
      return "fractional";
  }
}

function baseOf({ defaultVcpus, maxVcpus, memoryMiB, maxMemoryMiB }: HypervisorConfig): SizingBase {
  return { vcpus: defaultVcpus, maxVcpus, memoryMiB, maxMemoryMiB };
}
