/** The verbs that show containers and what is in their machines. */
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
    "The table has the processes as the virtual machine numbers them; after ID it takes -ef (default), aux and\n" +
    "-o LIST of ps(1) in their usual forms. As JSON: the pids of this host that stand for processes of the container.",
  arguments: [containerId],
  trailingCommand: true,
  trailingName: "PS-ARGUMENT...",
  flags: [formatFlag],
} as const satisfies CommandSpec;

export const eventsCommand = {
  name: "events",
  summary: "print what a container uses, and its lack of memory, as JSON",
  details: "One line for each interval and for each time that something was killed for want of memory.",
  arguments: [containerId],
  flags: [
    { name: "interval", kind: "text", value: "TIME", help: "time between statistics (default: 5s)" },
    { name: "stats", kind: "switch", help: "print the statistics once" },
  ],
} as const satisfies CommandSpec;

export const logsCommand = {
  name: "logs",
  summary: "print what the guest and the shim of a container said last",
  details:
    "Lines of the guest's console, of the agent in it and of the shim, by time: the last 256 KiB of the first two.\n" +
    "Of a container that failed or was not created they are kept when it is deleted, until 16 others have failed, one\n" +
    "with the same id has, or the host restarts. What its program writes goes to the container's own streams.",
  arguments: [containerId],
  flags: [
    {
      name: "source",
      kind: "text",
      value: "SOURCE",
      choices: ["console", "agent", "shim"],
      help: "console, agent or shim: lines of this source only",
    },
    { name: "tail", short: "n", kind: "integer", value: "N", help: "the last N lines only" },
    { name: "json", kind: "switch", help: "one JSON object per line, with time, source and text" },
  ],
} as const satisfies CommandSpec;

export const sizingCommand = {
  name: "sizing",
  summary: "show how large a virtual machine is, and why",
  details:
    "Of a container that runs, or with --bundle of one that could: the formula with its numbers, from the configuration\n" +
    "and from the limits of all containers in the machine.",
  arguments: [{ name: "ID", optional: true }],
  flags: [
    {
      name: "bundle",
      short: "b",
      kind: "text",
      value: "DIR",
      help: "directory with config.json, instead of a container",
    },
    { name: "explain", kind: "switch", ignored: "the formula is always shown", help: "show the formula" },
    { name: "json", kind: "switch", help: "print JSON" },
  ],
} as const satisfies CommandSpec;

export const debugCommand = {
  name: "debug",
  summary: "look into the guest of a container: its console, or a shell beside its containers",
  details:
    "console: the last lines of the guest's console, then what it prints; what is typed goes into it. Ctrl-] ends it.\n" +
    "shell: runs a static program of the host in the guest, outside of any container, with all rights there. It needs\n" +
    "debug_console_enabled = true in [agent.kata] when the container is created.",
  arguments: [{ name: "ACTION", choices: ["console", "shell"] }, containerId],
  flags: [
    { name: "program", kind: "text", value: "FILE", help: "with shell: what is run (default: /bin/busybox, as sh)" },
    { name: "raw", kind: "switch", help: "with console: show control characters, too" },
  ],
} as const satisfies CommandSpec;
