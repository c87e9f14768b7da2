/**
 * The agent's part of the kernel command line: `agent.*` in /proc/cmdline.
 * A mistake must not keep the VM from booting: it becomes a warning, and the default stays.
 */

export type LogLevel = "error" | "warn" | "info" | "debug";

export interface KernelParameters {
  /** Default `info`. */
  readonly logLevel: LogLevel;
  /** Capacity of a process's output pipes in bytes; 0 keeps the kernel's. Default `defaultPipeSizeBytes`. */
  readonly containerPipeSizeBytes: number;
  /** `undefined`: there is no shell beside the containers. */
  readonly debugConsole: DebugConsole | undefined;
  /**
   * Kernel modules to load before the host can reach the agent, together with everything else that most containers
   * need. Default: none, and nothing is prepared.
   */
  readonly ahead: readonly string[];
  /**
   * Disks of layers to mount in advance, by their names in the protocol: an image without a root file system, and an
   * empty upper layer. `undefined`: none.
   */
  readonly aheadLayers: AheadLayers | undefined;
  /** One line per warning, for the log. */
  readonly warnings: readonly string[];
}

export interface AheadLayers {
  readonly lower: string;
  readonly upper: string;
}

export interface DebugConsole {
  /** `undefined`: the shell runs on the console. */
  readonly port: number | undefined;
}

interface Draft {
  logLevel: LogLevel;
  containerPipeSizeBytes: number;
  debugConsole: DebugConsole | undefined;
  ahead: readonly string[];
  aheadLayers: AheadLayers | undefined;
  readonly warnings: string[];
}

/**
 * With the kernel's 64 KiB, writer and agent must switch for every 64 KiB, and context switches are slow under
 * emulation: bulk output is 1.7 times as fast with this size. Only data that has not been read takes memory, accounted
 * to the writer.
 */
export const defaultPipeSizeBytes = 512 * 1024;

/** The largest pipe that an unprivileged process may ask for by default (pipe(7)). A larger value is a mistake. */
const maxPipeSizeBytes = 1024 * 1024;

/**
 * The highest port that the agent uses otherwise: 1024 for its methods, 1025 for its log. The host numbers the streams
 * of processes from 0x10000 on.
 */
const agentPorts = 1025;
const maxDebugPort = 0xffff;

/** Known from other agents; accepted, but without effect here. */
const withoutEffect: ReadonlySet<string> = new Set([
  "cdh_api_timeout",
  "cdi_timeout",
  "config_file",
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
  const draft: Draft = {
    logLevel: "info",
    containerPipeSizeBytes: defaultPipeSizeBytes,
    debugConsole: undefined,
    ahead: [],
    aheadLayers: undefined,
    warnings: [],
  };
  // A regular expression for white space would take longer than all the rest.
  for (const word of commandLine.replaceAll("\n", " ").replaceAll("\t", " ").split(" ")) {
    if (!word.startsWith("agent.")) continue;
    const equals = word.indexOf("=");
    const name = word.slice("agent.".length, equals < 0 ? undefined : equals);
    const value = equals < 0 ? "" : word.slice(equals + 1);
    const complaint = apply(draft, name, value);
    if (complaint !== undefined) draft.warnings.push(`kernel parameter agent.${name}: ${complaint}`);
  }
  return draft;
}

/** Returns what is wrong with the parameter, if anything. */
function apply(draft: Draft, name: string, value: string): string | undefined {
  switch (name) {
    case "log": {
      const level = logLevels.get(value.toLowerCase());
      if (level === undefined) return `${JSON.stringify(value)} is not a log level`;
      draft.logLevel = level;
      return undefined;
    }
    case "ahead":
      draft.ahead = value.split(",").filter((module) => module !== "");
      return undefined;
    case "ahead_layers": {
      const [lower = "", upper = ""] = value.split(",");
      if (lower === "" || upper === "") return `${JSON.stringify(value)} is not the names of two disks`;
      draft.aheadLayers = { lower, upper };
      return undefined;
    }
    case "container_pipe_size": {
      const size = /^\d{1,9}$/.test(value) ? Number(value) : Number.NaN;
      if (!(size <= maxPipeSizeBytes)) return `${JSON.stringify(value)} is not a size from 0 to ${maxPipeSizeBytes}`;
      draft.containerPipeSizeBytes = size;
      return undefined;
    }
    case "debug_console":
      if (!["", "1", "true", "0", "false"].includes(value)) return `${JSON.stringify(value)} is neither true nor false`;
      if (value !== "0" && value !== "false") draft.debugConsole ??= { port: undefined };
      return undefined;
    case "debug_console_vport": {
      const port = /^\d{1,5}$/.test(value) ? Number(value) : Number.NaN;
      // The port after it belongs to the debug console, too.
      if (!(port > agentPorts && port < maxDebugPort)) return `${JSON.stringify(value)} is not a debug console port`;
      draft.debugConsole = { port };
      return undefined;
    }
    default:
      if (withoutEffect.has(name) || name.startsWith("mem_agent_")) return "known, but without effect in this agent";
      return "unknown";
  }
}

/** The names that both families of agents use. A level finer than the agent's own becomes the next coarser one. */
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
