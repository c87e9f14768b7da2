/**
 * What the agent is told to create a sandbox. The command that starts a VM ahead and the shim must tell it the same, so
 * this depends only on the configuration and the first container. Pure.
 */
import type { SandboxRequest } from "../agent-client/first-call.ts";
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { BundleSpec } from "../oci/bundle.ts";
import type { GuestStorage } from "../storage/guest-storage.ts";

export interface SandboxFacts {
  readonly id: string;
  readonly hostname: string;
  /** Shared by all containers. */
  readonly storages: readonly GuestStorage[];
}

export function sandboxRequestOf(config: Config, { id, hostname, storages }: SandboxFacts): SandboxRequest {
  const { guestHookPath } = hypervisorConfigOf(config);
  const kernelModules = config.agent.kernelModules.map(({ name, parameters }) => ({
    name,
    parameters: [...parameters],
  }));
  return { hostname, sandboxId: id, storages: [...storages], guestHookPath, kernelModules };
}

/** Of a sandbox whose first container has this specification. The kernel allows 64 bytes. */
export function hostnameOf({ hostname }: Pick<BundleSpec, "hostname">, id: string): string {
  return hostname ?? id.slice(0, 64);
}
