/** The size that a sandbox's machine should have: by the configuration, and by what its containers ask for now. */
import { type Config, type HypervisorConfig, hypervisorConfigOf } from "../config/config.ts";
import { containerTypeOf } from "../oci/container-role.ts";
import type { OciResources } from "../oci/spec.ts";
import type { BootSize } from "../vm/vm-spec.ts";
import { demandOf, type Sizing, type SizingBase, type SizingRule, sizeSandbox } from "./sizing.ts";
import { type StaticSizing, staticContainerSizing, staticPodSizing } from "./static-sizing.ts";

/** What of a container decides. */
export interface SizedContainer {
  readonly id: string;
  readonly resources: OciResources;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

/** Of containers that have not stopped; the first is the one that the sandbox is made with. */
export function sizingOf(config: Config, containers: readonly SizedContainer[]): Sizing {
  const fixed = fixedSizing(config, containers);
  if (fixed !== undefined) return sizeSandbox("fractional", fixed.base, []);
  return sizeSandbox(
    ruleOf(config.era),
    baseOf(hypervisorConfigOf(config)),
    containers.map(({ id, resources }) => demandOf(id, resources)),
  );
}

/** Of a sandbox whose size never changes; `undefined` for any other. */
function fixedSizing(config: Config, [first]: readonly SizedContainer[]): StaticSizing | undefined {
  if (!config.runtime.staticResources || first === undefined) return undefined;
  const base = baseOf(hypervisorConfigOf(config));
  return containerTypeOf(first.annotations) === "single_container"
    ? staticContainerSizing(base, first.id, first.resources)
    : staticPodSizing(base, first.annotations ?? {});
}

/**
 * Why a machine of the configuration's size will not do, whatever is plugged in later: the size is fixed before the start
 * (`static_sandbox_resource_mgmt`), and the containers make it another one.
 */
export function whyOtherSize(config: Config, containers: readonly SizedContainer[]): string | undefined {
  if (fixedSizing(config, containers) === undefined) return undefined;
  const { vcpus, memoryMiB } = bootSizeOf(config, containers);
  const usual = hypervisorConfigOf(config);
  if (vcpus === usual.vcpus && memoryMiB === usual.memoryMiB) return undefined;
  return "its size is fixed before the start, by what the container may use (static_sandbox_resource_mgmt)";
}

/**
 * What a machine boots with. Memory costs nothing before it is used, so it is all there; further vCPUs are plugged in while
 * the container is made, since an emulated one that boots with them takes longer.
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
