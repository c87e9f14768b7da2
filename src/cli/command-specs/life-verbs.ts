/** The verbs that make, change and end containers and processes. */
import type { CommandSpec, FlagSpec } from "../flag-spec.ts";
import { resourceFlags } from "../resource-flags.ts";
import { bundleFlag, containerId } from "./shared.ts";

const consoleSocketFlag = {
  name: "console-socket",
  kind: "text",
  value: "SOCKET",
  help: "unix socket that receives the master of the process's terminal",
} as const satisfies FlagSpec;

const pidFileFlag = {
  name: "pid-file",
  kind: "text",
  value: "FILE",
  help: "write the pid of the host process that stands for the container's process to this file",
} as const satisfies FlagSpec;

const preserveFdsFlag = {
  name: "preserve-fds",
  kind: "integer",
  value: "N",
  help: "pass N more file descriptors; only 0 is possible with a VM (default: 0)",
} as const satisfies FlagSpec;

const detachFlag = {
  name: "detach",
  short: "d",
  kind: "switch",
  help: "return when the process has started",
} as const satisfies FlagSpec;

const noSubreaperFlag = {
  name: "no-subreaper",
  kind: "switch",
  ignored: "processes are reaped inside the VM",
  help: "do not reap orphaned processes",
} as const satisfies FlagSpec;

/** The id of a container that does not exist yet. */
const newId = { name: "ID" } as const;

const configFileFlag = {
  name: "config",
  short: "f",
  kind: "text",
  value: "FILE",
  help: "configuration to use instead of the bundle's config.json",
} as const satisfies FlagSpec;

const timelineFlags = [
  { name: "timeline", kind: "switch", help: "print a timeline of the start to standard error" },
  {
    name: "timeline-file",
    kind: "text",
    value: "FILE",
    help: "draw the timeline to this file, whose name must end in .svg or .html",
  },
] as const satisfies readonly FlagSpec[];

const creationFlags = [
  bundleFlag,
  configFileFlag,
  consoleSocketFlag,
  pidFileFlag,
  {
    name: "no-pivot",
    kind: "switch",
    ignored: "pivot_root always works in the guest",
    help: "do not use pivot_root",
  },
  {
    name: "no-new-keyring",
    kind: "switch",
    help: "do not create a session keyring for the container; it uses that of its VM",
  },
  preserveFdsFlag,
  ...timelineFlags,
] as const satisfies readonly FlagSpec[];

export const createCommand = {
  name: "create",
  summary: "create a container from a bundle",
  details:
    "Boots a VM and prepares the container in it; its program runs after `kumite start`.\n" +
    "The program gets the standard input, output and error of this command.",
  arguments: [newId],
  flags: creationFlags,
} as const satisfies CommandSpec;

export const startCommand = {
  name: "start",
  summary: "run the program of created containers",
  arguments: [{ ...containerId, repeated: true }],
  flags: [],
} as const satisfies CommandSpec;

export const runCommand = {
  name: "run",
  summary: "create a container and run its program",
  details: "Without --detach, exits with the program's exit status (128 + n for signal n) and deletes the container.",
  arguments: [newId],
  flags: [
    ...creationFlags,
    detachFlag,
    { name: "keep", kind: "switch", help: "do not delete the container when its program has ended" },
    noSubreaperFlag,
  ],
} as const satisfies CommandSpec;

export const execCommand = {
  name: "exec",
  summary: "run another process in a container",
  details:
    "Everything after ID is the command and its arguments. Without --detach, exits with the process's exit status.",
  arguments: [containerId],
  trailingCommand: true,
  flags: [
    {
      name: "process",
      short: "p",
      kind: "text",
      value: "FILE",
      help: "file with the process as JSON (like process in config.json), instead of a command",
    },
    detachFlag,
    { name: "tty", short: "t", kind: "switch", help: "give the process a terminal" },
    { name: "user", short: "u", kind: "text", value: "UID[:GID]", help: "user and group of the process, as numbers" },
    {
      name: "additional-gids",
      short: "g",
      kind: "list",
      value: "GID",
      help: "additional group of the process; may be repeated",
    },
    { name: "env", short: "e", kind: "list", value: "NAME=VALUE", help: "environment variable; may be repeated" },
    { name: "cwd", kind: "text", value: "PATH", help: "working directory in the container" },
    consoleSocketFlag,
    pidFileFlag,
    { name: "cap", short: "c", kind: "list", value: "CAPABILITY", help: "add a capability; may be repeated" },
    { name: "no-new-privs", kind: "switch", help: "the process cannot gain privileges (no_new_privs)" },
    preserveFdsFlag,
    {
      name: "ignore-paused",
      kind: "switch",
      help: "run the process also in a paused container",
      refused: {
        because: "in a paused container new processes are frozen as well",
        hint: "resume the container with `kumite resume` first",
      },
    },
    {
      name: "cgroup",
      kind: "text",
      value: "PATH",
      help: "cgroup to run the process in: an existing one below the container's",
    },
    { name: "process-label", kind: "text", value: "LABEL", help: "SELinux label of the process" },
    { name: "apparmor", kind: "text", value: "PROFILE", help: "AppArmor profile of the process" },
    noSubreaperFlag,
  ],
} as const satisfies CommandSpec;

export const killCommand = {
  name: "kill",
  summary: "send a signal to the program of a container",
  details: "SIGNAL is a name with or without SIG, or a number (default: SIGTERM).",
  arguments: [containerId, { name: "SIGNAL", optional: true, completes: "signal" }],
  flags: [{ name: "all", short: "a", kind: "switch", help: "send it to every process of the container" }],
} as const satisfies CommandSpec;

export const deleteCommand = {
  name: "delete",
  summary: "delete containers that have stopped",
  arguments: [{ ...containerId, repeated: true }],
  flags: [
    {
      name: "force",
      short: "f",
      kind: "switch",
      help: "kill the container first if it is running; an unknown id is no error",
    },
    { name: "regex", kind: "switch", help: "ID is a regular expression; delete every container whose id matches" },
  ],
} as const satisfies CommandSpec;

export const pauseCommand = {
  name: "pause",
  summary: "suspend all processes of a container",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

export const resumeCommand = {
  name: "resume",
  summary: "resume all processes of a paused container",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

export const updateCommand = {
  name: "update",
  summary: "change the limits of a container",
  details:
    "Limits that are not given keep their value; if one is refused, none is changed.\n" +
    "They are applied inside the VM, and the VM is resized to match.",
  arguments: [containerId],
  flags: resourceFlags,
} as const satisfies CommandSpec;
