/** Keys of tables from releases before 2.0: `[proxy.*]`, `[shim.*]`, `[netmon]`; and `[image]` of some later ones. */
import { bool, type KeyTable, text } from "../key.ts";

const until = "1.13.0-alpha0";

export const proxyKeys = {
  path: text("The program that multiplexes the agent's channel; Kumite does this itself.", "1.0.0", {
    until,
    path: "absolute",
    default: "/usr/libexec/kata-containers/kata-proxy",
  }),
  enable_debug: bool("It logs more.", "1.0.0", { until }),
} as const satisfies KeyTable;

export const shimKeys = {
  path: text("The program that represents a process; Kumite has its own (the relay).", "1.0.0", {
    until,
    path: "absolute",
    default: "/usr/libexec/kata-containers/kata-shim",
  }),
  enable_debug: bool("It logs more.", "1.0.0", { until }),
  enable_tracing: bool("The shim traces its calls.", "1.5.0", { until }),
} as const satisfies KeyTable;

export const netmonKeys = {
  enable_netmon: bool("A program watches the network namespace for changes.", "1.3.0", { until: "2.3.0" }),
  path: text("The program that watches the network namespace.", "1.3.0", {
    until: "2.3.0",
    path: "absolute",
    default: "/usr/libexec/kata-containers/kata-netmon",
  }),
  enable_debug: bool("It logs more.", "1.3.0", { until: "2.3.0" }),
} as const satisfies KeyTable;

export const imageKeys = {
  service_offload: bool("The guest fetches images itself.", "2.2.0", { until: "3.3.0" }),
  provision: text("How the guest fetches images.", "2.2.0", { until: "3.3.0" }),
} as const satisfies KeyTable;
