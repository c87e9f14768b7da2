/** The flags before the verb, and the help flag that every verb accepts; data like the table of verbs. */
import type { FlagSpec } from "./flag-spec.ts";

export const globalFlags = [
  { name: "root", kind: "text", value: "DIR", help: "directory for the state of containers (default: /run/kumite)" },
  { name: "log", kind: "text", value: "FILE", help: "append errors and notices to this file" },
  {
    name: "log-format",
    kind: "text",
    value: "FORMAT",
    choices: ["text", "json"],
    help: "format of the log: text or json (default: text)",
  },
  { name: "debug", kind: "switch", help: "log each step, to --log or to standard error" },
  { name: "config", kind: "text", value: "FILE", help: "configuration file to use instead of the default one" },
  { name: "kata-config", kind: "text", value: "FILE", help: "the same as --config" },
  {
    name: "set",
    kind: "list",
    value: "TABLE.KEY=VALUE",
    help: "set a configuration key for this call, e.g. factory.enable_template=true; may be repeated",
  },
  {
    name: "kata-show-default-config-paths",
    kind: "switch",
    help: "print the default paths of the configuration file and exit",
  },
  {
    name: "systemd-cgroup",
    kind: "switch",
    ignored: "the form slice:prefix:name of cgroupsPath is recognized automatically",
    help: "cgroupsPath has the form slice:prefix:name",
  },
  {
    name: "cgroup-manager",
    kind: "text",
    value: "NAME",
    ignored: "cgroups are always managed through the cgroup file system",
    help: "how cgroups are managed",
  },
  {
    name: "rootless",
    kind: "text",
    value: "WHEN",
    ignored: "Kumite runs only as root",
    help: "true, false or auto",
  },
  {
    name: "criu",
    kind: "text",
    value: "FILE",
    ignored: "checkpoint and restore are not supported",
    help: "path of the criu program",
  },
  { name: "version", short: "v", kind: "switch", help: "print the version" },
  { name: "help", short: "h", kind: "switch", help: "print this help" },
] as const satisfies readonly FlagSpec[];

/** Accepted by every verb. */
export const helpFlag = {
  name: "help",
  short: "h",
  kind: "switch",
  help: "print this help",
} as const satisfies FlagSpec;
