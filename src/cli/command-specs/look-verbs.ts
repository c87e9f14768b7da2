/** The verbs that show containers and the content of their VMs. */
import type { CommandSpec, FlagSpec } from "../flag-spec.ts";
import { containerId } from "./shared.ts";

const formatFlag = {
  name: "format",
  short: "f",
  kind: "text",
  value: "FORMAT",
  choices: ["table", "json"],
  help: "table or json (default: table)",
} as const satisfies FlagSpec;

export const stateCommand = {
  name: "state",
  summary: "print the state of a container as JSON",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

export const listCommand = {
  name: "list",
  summary: "list containers",
  arguments: [],
  flags: [formatFlag, { name: "quiet", short: "q", kind: "switch", help: "print ids only" }],
} as const satisfies CommandSpec;

export const psCommand = {
  name: "ps",
  summary: "show the processes of a container",
  details:
    "The table shows pids of the VM. After ID it accepts the ps(1) arguments -ef (the default), aux and -o LIST.\n" +
    "JSON shows the pids of the host processes that stand for the container's.",
  arguments: [containerId],
  trailingCommand: true,
  trailingName: "PS-ARGUMENT...",
  flags: [formatFlag],
} as const satisfies CommandSpec;

export const eventsCommand = {
  name: "events",
  summary: "print a container's resource statistics and out-of-memory events as JSON",
  details: "One line for each interval, and one for each process that was killed for lack of memory.",
  arguments: [containerId],
  flags: [
    { name: "interval", kind: "text", value: "TIME", help: "time between statistics (default: 5s)" },
    { name: "stats", kind: "switch", help: "print the statistics once" },
  ],
} as const satisfies CommandSpec;

export const logsCommand = {
  name: "logs",
  summary: "print the latest log lines of a container's guest and shim",
  details:
    "Lines of the guest's console, the agent and the shim, ordered by time; of the first two, the last 256 KiB are kept.\n" +
    "The logs of a container that failed or could not be created stay after it is deleted, until 16 others or one\n" +
    "with the same id have failed, or the host restarts. The container's own output is not included.",
  arguments: [containerId],
  flags: [
    {
      name: "source",
      kind: "text",
      value: "SOURCE",
      choices: ["console", "agent", "shim"],
      help: "print only lines of this source: console, agent or shim",
    },
    { name: "tail", short: "n", kind: "integer", value: "N", help: "print only the last N lines" },
    { name: "json", kind: "switch", help: "print each line as a JSON object with time, source and text" },
  ],
} as const satisfies CommandSpec;

export const sizingCommand = {
  name: "sizing",
  summary: "show the size of a VM and how it was computed",
  details:
    "Shows the formula for a running container, or with --bundle for one that would be created from that bundle. The\n" +
    "numbers come from the configuration and from the limits of all containers in the VM.",
  arguments: [{ name: "ID", optional: true }],
  flags: [
    {
      name: "bundle",
      short: "b",
      kind: "text",
      value: "DIR",
      help: "directory with config.json, instead of a container id",
    },
    { name: "explain", kind: "switch", ignored: "the formula is always shown", help: "show the formula" },
    { name: "json", kind: "switch", help: "print JSON" },
  ],
} as const satisfies CommandSpec;

export const debugCommand = {
  name: "debug",
  summary: "open the guest's console, or a shell in the guest",
  details:
    "console: shows the last lines of the guest's console, then connects to it. Ctrl-] disconnects.\n" +
    "shell: runs a statically linked program of the host in the guest, as root and outside of any container. Needs\n" +
    "debug_console_enabled = true in [agent.kata] when the container is created.",
  arguments: [{ name: "ACTION", choices: ["console", "shell"] }, containerId],
  flags: [
    {
      name: "program",
      kind: "text",
      value: "FILE",
      help: "with shell: the program to run (default: /bin/busybox, as sh)",
    },
    { name: "raw", kind: "switch", help: "with console: do not remove control characters" },
  ],
} as const satisfies CommandSpec;
