/** What the operations on containers need of the agent around them. */
import type { Logger } from "../../util/log.ts";
import type { DeviceFilters } from "../cgroup/device-filter.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import type { Ports } from "../stdio/ports.ts";
import type { Storages } from "../storage/storages.ts";
import type { Notices } from "./notices.ts";

export interface ContainerHost {
  /**
   * Whether the kernel is the agent's own, to set its clock and feed its random generator; otherwise it is a host's,
   * which the agent must leave alone.
   */
  readonly ownsKernel: boolean;
  readonly hierarchy: Hierarchy;
  readonly deviceFilters: DeviceFilters;
  readonly log: Logger;
  readonly modules: ModuleLoader;
  readonly notices: Notices;
  readonly ports: Ports;
  readonly storages: Storages;
  /** Capacity of output pipes in bytes; 0 is the kernel's default. */
  readonly pipeSizeBytes: number;
  /** A limit that the hierarchy has no controller for: refused in a machine, told where the host decides. */
  readonly missingController: "refuse" | "tell";
}
