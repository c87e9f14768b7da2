/** Keys of `[agent.*]`. */
import { bool, count, type KeyTable, list, text } from "../key.ts";

export const agentKeys = {
  enable_debug: bool("The agent logs more.", "1.7.0"),
  enable_tracing: bool("The agent traces its calls.", "1.7.0", { annotation: "config.agent.enable_tracing" }),
  trace_mode: text("When the agent traces.", "1.7.0", {
    until: "2.2.0",
    default: "dynamic",
    choices: ["dynamic", "static"],
    annotation: "config.agent.trace_mode",
  }),
  trace_type: text("What the agent traces.", "1.7.0", {
    until: "2.2.0",
    default: "isolated",
    choices: ["isolated", "collated"],
    annotation: "config.agent.trace_type",
  }),
  kernel_modules: list("Kernel modules to load in the guest, each with its parameters: `name par=val …`.", "1.9.0", {
    annotation: "config.agent.kernel_modules",
  }),
  debug_console_enabled: bool("`kumite debug shell` works: the agent offers a shell in the guest.", "2.0.0"),
  dial_timeout: count(
    "How long to wait for the agent's first answer; 0 means 45. Time in which the VM waits for a processor does not count, but six times the value is the end.",
    "2.1.0",
    { unit: "seconds", default: 45, max: 86_400 },
  ),
  cdh_api_timeout: count("How long the confidential data hub may take.", "3.9.0", { unit: "seconds", default: 50 }),
  launch_process_timeout: count("How long a process of the guest may take to start.", "3.29.0", {
    unit: "seconds",
    default: 6,
  }),
  visible_cdi_devices: bool("CDI devices are visible in containers.", "3.32.0"),
  container_pipe_size: count("Size of the pipes between container and agent; 0: the guest's default.", "3.0.0", {
    unit: "bytes",
    annotation: "config.agent.container_pipe_size",
  }),
} as const satisfies KeyTable;
