/** The verbs that make containers and processes, change them and end them. */
import type { CommandSpec, FlagSpec } from "../flag-spec.ts";
import { resourceFlags } from "../resource-flags.ts";
import { bundleFlag, containerId } from "./shared.ts";

const consoleSocketFlag = {
  name: "console-socket",
  kind: "text",
  value: "SOCKET",
  help: "unix socket that is sent the master of the terminal",
} as const satisfies FlagSpec;

const pidFileFlag = {
  name: "pid-file",
  kind: "text",
  value: "FILE",
  help: "file for the pid that ends with the status of the process; written last",
} as const satisfies FlagSpec;

const preserveFdsFlag = {
  name: "preserve-fds",
  kind: "integer",
  value: "N",
  help: "further descriptors for the process; a virtual machine can take none (default: 0)",
} as const satisfies FlagSpec;

const detachFlag = {
  name: "detach",
  short: "d",
  kind: "switch",
  help: "return as soon as the process runs",
} as const satisfies FlagSpec;

const noSubreaperFlag = {
  name: "no-subreaper",
  kind: "switch",
  ignored: "processes are reaped inside the virtual machine",
  help: "do not reap orphaned processes",
} as const satisfies FlagSpec;

/** Of a container that is to be. */
const newId = { name: "ID" } as const;

const configFileFlag = {
  name: "config",
  short: "f",
  kind: "text",
  value: "FILE",
  help: "configuration to use instead of the bundle's config.json",
} as const satisfies FlagSpec;

const timelineFlags = [
  { name: "timeline", kind: "switch", help: "print to standard error where the time of the start went" },
  {
    name: "timeline-file",
    kind: "text",
    value: "FILE",
    help: "draw that into this file: a name that ends in .svg or .html",
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
    ignored: "the guest's root is made so that pivot_root always works",
    help: "do not use pivot_root",
  },
  {
    name: "no-new-keyring",
    kind: "switch",
    help: "make no session keyring for the container: it keeps the one of its machine",
  },
  preserveFdsFlag,
  ...timelineFlags,
] as const satisfies readonly FlagSpec[];

export const createCommand = {
  name: "create",
  summary: "create a container from a bundle",
  details:
    "Boots a virtual machine and prepares the container in it; its program runs after `kumite start`.\n" +
    "Standard input, output and error of this command become those of the program.",
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
  details: "Without --detach it ends with the program's exit status (128 + n for signal n) and deletes the container.",
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
  summary: "run a further process in a container",
  details:
    "Everything after ID is the command and its arguments. Without --detach it ends with the exit status of the process.",
  arguments: [containerId],
  trailingCommand: true,
  flags: [
    { name: "process", short: "p", kind: "text", value: "FILE", help: "JSON of the process, instead of a command" },
    detachFlag,
    { name: "tty", short: "t", kind: "switch", help: "give the process a terminal" },
    { name: "user", short: "u", kind: "text", value: "UID[:GID]", help: "user of the process, in numbers" },
    {
      name: "additional-gids",
      short: "g",
      kind: "list",
      value: "GID",
      help: "further group of the process; may be repeated",
    },
    { name: "env", short: "e", kind: "list", value: "NAME=VALUE", help: "environment variable; may be repeated" },
    { name: "cwd", kind: "text", value: "PATH", help: "working directory in the container" },
    consoleSocketFlag,
    pidFileFlag,
    { name: "cap", short: "c", kind: "list", value: "CAPABILITY", help: "add a capability; may be repeated" },
    { name: "no-new-privs", kind: "switch", help: "the process can gain no privileges" },
    preserveFdsFlag,
    {
      name: "ignore-paused",
      kind: "switch",
      help: "run it in a paused container too",
      refused: {
        because: "in a paused container every process stands still, a new one too",
        hint: "`kumite resume` the container first",
      },
    },
    {
      name: "cgroup",
      kind: "text",
      value: "PATH",
      help: "cgroup below the container's to run the process in, which has made it",
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
    { name: "force", short: "f", kind: "switch", help: "kill what still runs; an unknown container is no error" },
    { name: "regex", kind: "switch", help: "ID is a regular expression, for every container with a match in its id" },
  ],
} as const satisfies CommandSpec;

export const pauseCommand = {
  name: "pause",
  summary: "stop all processes of a container where they are",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

export const resumeCommand = {
  name: "resume",
  summary: "let a paused container go on",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

export const updateCommand = {
  name: "update",
  summary: "change the limits of a container",
  details:
    "What is not named stays, and when one limit is refused none is changed.\n" +
    "Limits are kept inside the virtual machine, whose size follows them.",
  arguments: [containerId],
  flags: resourceFlags,
} as const satisfies CommandSpec;
