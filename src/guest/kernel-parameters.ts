/**
 * The agent's part of the kernel command line: `agent.*` of /proc/cmdline.
 * Nothing in it may keep a machine from coming up: what is wrong becomes a warning and the default stays.
 */

export type LogLevel = "error" | "warn" | "info" | "debug";

export interface KernelParameters {
  /** Default `info`. */
  readonly logLevel: LogLevel;
  /** Capacity of a process's output pipes in bytes; 0 keeps the kernel's. Default `defaultPipeSizeBytes`. */
  readonly containerPipeSizeBytes: number;
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

interface Draft {
  logLevel: LogLevel;
  containerPipeSizeBytes: number;
  readonly warnings: string[];
}

/**
 * With the kernel's 64 KiB writer and agent take turns for each of them, and turns are what emulation is slowest at: bulk
 * output is 1.7 times as fast with this. Only what nobody has read yet takes memory, of the writer's.
 */
export const defaultPipeSizeBytes = 512 * 1024;

/** The largest pipe that an unprivileged process may ask for by default (pipe(7)); more is a mistake. */
const maxPipeSizeBytes = 1024 * 1024;

/** Known from other agents; harmless to give, without effect here. */
const withoutEffect: ReadonlySet<string> = new Set([
  "cdh_api_timeout",
  "cdi_timeout",
  "config_file",
  "debug_console",
  "debug_console_vport",
  "devmode",
  "guest_components_procs",
  "guest_components_rest_api",
  "hotplug_timeout",
  "https_proxy",
  "image_pull_timeout",
  "launch_process_timeout",
  "log_vport",
  "no_proxy",
  "passfd_listener_port",
  "secure_storage_integrity",
  "server_addr",
  "trace",
  "unified_cgroup_hierarchy",
  "use_vsock",
  "visible_cdi_devices",
]);

export function readKernelParameters(commandLine: string): KernelParameters {
  const draft: Draft = { logLevel: "info", containerPipeSizeBytes: defaultPipeSizeBytes, warnings: [] };
  for (const word of commandLine.split(/\s+/)) {
    if (!word.startsWith("agent.")) continue;
    const equals = word.indexOf("=");
    const name = word.slice("agent.".length, equals < 0 ? undefined : equals);
    const value = equals < 0 ? "" : word.slice(equals + 1);
    const complaint = apply(draft, name, value);
    if (complaint !== undefined) draft.warnings.push(`kernel parameter agent.${name}: ${complaint}`);
  }
  return draft;
}

/** Returns what is wrong, if something is. */
function apply(draft: Draft, name: string, value: string): string | undefined {
  switch (name) {
    case "log": {
      const level = logLevels.get(value.toLowerCase());
      if (level === undefined) return `${JSON.stringify(value)} is no log level`;
      draft.logLevel = level;
      return undefined;
    }
    case "container_pipe_size": {
      const size = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (!(size <= maxPipeSizeBytes)) return `${JSON.stringify(value)} is no size from 0 to ${maxPipeSizeBytes}`;
      draft.containerPipeSizeBytes = size;
      return undefined;
    }
    default:
      if (withoutEffect.has(name) || name.startsWith("mem_agent_")) return "known, but without effect in this agent";
      return "unknown";
  }
}

/** The names of both families of agents; what is finer than ours is the next coarser one. */
const logLevels: ReadonlyMap<string, LogLevel> = new Map([
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warn"],
  ["warning", "warn"],
  ["error", "error"],
  ["fatal", "error"],
  ["panic", "error"],
  ["critical", "error"],
]);
