/** What the operations on containers need from the agent. */
import type { Logger } from "../../util/log.ts";
import type { DeviceFilters } from "../cgroup/device-filter.ts";
import type { Hierarchy } from "../cgroup/hierarchy.ts";
import type { ModuleLoader } from "../modules/module-loader.ts";
import type { Ports } from "../stdio/ports.ts";
import type { Storages } from "../storage/storages.ts";
import type { Notices } from "./notices.ts";
import type { ReadyProcessPlace } from "./ready-process.ts";

export interface ContainerHost {
  /**
   * Whether the kernel is the agent's own, so that it may set the clock and feed the random generator. Otherwise the
   * kernel is a host's, which the agent must leave alone.
   */
  readonly ownsKernel: boolean;
  readonly hierarchy: Hierarchy;
  readonly deviceFilters: DeviceFilters;
  readonly log: Logger;
  readonly modules: ModuleLoader;
  readonly notices: Notices;
  readonly ports: Ports;
  readonly storages: Storages;
  /** Of the cgroup that is ready for the first container. */
  readonly readyProcess: ReadyProcessPlace;
  /** Capacity of output pipes in bytes; 0 is the kernel's default. */
  readonly pipeSizeBytes: number;
  /** What to do about a limit whose controller is missing: refuse it in a VM, log it where the host decides. */
  readonly missingController: "refuse" | "tell";
}
