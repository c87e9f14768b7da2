/** The flags that are given before the verb, and the one that every verb takes, as data like the table of verbs. */
import type { FlagSpec } from "./flag-spec.ts";

/** Given before the verb. */
export const globalFlags = [
  { name: "root", kind: "text", value: "DIR", help: "where the state of containers is kept (default: /run/kumite)" },
  { name: "log", kind: "text", value: "FILE", help: "append errors and notices to this file" },
  {
    name: "log-format",
    kind: "text",
    value: "FORMAT",
    choices: ["text", "json"],
    help: "form of the log: text or json (default: text)",
  },
  { name: "debug", kind: "switch", help: "log each step, to --log or else to standard error" },
  { name: "config", kind: "text", value: "FILE", help: "configuration file to use instead of the system's" },
  { name: "kata-config", kind: "text", value: "FILE", help: "the same" },
  {
    name: "set",
    kind: "list",
    value: "TABLE.KEY=VALUE",
    help: "value of a key of the configuration for this call, such as factory.enable_template=true; may be repeated",
  },
  {
    name: "kata-show-default-config-paths",
    kind: "switch",
    help: "print where the configuration is looked for, and end",
  },
  {
    name: "systemd-cgroup",
    kind: "switch",
    ignored: "a cgroupsPath of the form slice:prefix:name is recognized by itself",
    help: "cgroupsPath has the form slice:prefix:name",
  },
  {
    name: "cgroup-manager",
    kind: "text",
    value: "NAME",
    ignored: "cgroups are always made through the cgroup file system",
    help: "who makes cgroups",
  },
  {
    name: "rootless",
    kind: "text",
    value: "WHEN",
    ignored: "only root can run virtual machines here",
    help: "true, false or auto",
  },
  {
    name: "criu",
    kind: "text",
    value: "FILE",
    ignored: "virtual machines are not checkpointed by criu",
    help: "path of the criu program",
  },
  { name: "version", short: "v", kind: "switch", help: "print the version" },
  { name: "help", short: "h", kind: "switch", help: "print this help" },
] as const satisfies readonly FlagSpec[];

/** Taken by every verb. */
export const helpFlag = {
  name: "help",
  short: "h",
  kind: "switch",
  help: "print this help",
} as const satisfies FlagSpec;
