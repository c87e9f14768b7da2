/**
 * Every verb and its flags, as data: parsing, checking and help come from here, from `global-flags.ts`, and from nowhere
 * else. Knows nothing of what a verb does.
 */
import type { CommandSpec, FlagSpec, Refusal } from "./flag-spec.ts";
import { resourceFlags } from "./resource-flags.ts";

const bundleFlag = {
  name: "bundle",
  short: "b",
  kind: "text",
  value: "DIR",
  help: "directory with config.json (default: the current directory)",
} as const satisfies FlagSpec;

const configFileFlag = {
  name: "config",
  short: "f",
  kind: "text",
  value: "FILE",
  help: "configuration to use instead of the bundle's config.json",
} as const satisfies FlagSpec;

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

const formatFlag = {
  name: "format",
  short: "f",
  kind: "text",
  value: "FORMAT",
  choices: ["table", "json"],
  help: "table or json (default: table)",
} as const satisfies FlagSpec;

/** Of a container that is to be. */
const newId = { name: "ID" } as const;

const containerId = { name: "ID", completes: "container" } as const;

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

const stateCommand = {
  name: "state",
  summary: "print the state of a container as JSON",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

const createCommand = {
  name: "create",
  summary: "create a container from a bundle",
  details:
    "Boots a virtual machine and prepares the container in it; its program runs after `kumite start`.\n" +
    "Standard input, output and error of this command become those of the program.",
  arguments: [newId],
  flags: creationFlags,
} as const satisfies CommandSpec;

const startCommand = {
  name: "start",
  summary: "run the program of created containers",
  arguments: [{ ...containerId, repeated: true }],
  flags: [],
} as const satisfies CommandSpec;

const runCommand = {
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

const killCommand = {
  name: "kill",
  summary: "send a signal to the program of a container",
  details: "SIGNAL is a name with or without SIG, or a number (default: SIGTERM).",
  arguments: [containerId, { name: "SIGNAL", optional: true, completes: "signal" }],
  flags: [{ name: "all", short: "a", kind: "switch", help: "send it to every process of the container" }],
} as const satisfies CommandSpec;

const deleteCommand = {
  name: "delete",
  summary: "delete containers that have stopped",
  arguments: [{ ...containerId, repeated: true }],
  flags: [
    { name: "force", short: "f", kind: "switch", help: "kill what still runs; an unknown container is no error" },
    { name: "regex", kind: "switch", help: "ID is a regular expression, for every container with a match in its id" },
  ],
} as const satisfies CommandSpec;

const execCommand = {
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

const listCommand = {
  name: "list",
  summary: "list containers",
  arguments: [],
  flags: [formatFlag, { name: "quiet", short: "q", kind: "switch", help: "print ids only" }],
} as const satisfies CommandSpec;

const pauseCommand = {
  name: "pause",
  summary: "stop all processes of a container where they are",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

const resumeCommand = {
  name: "resume",
  summary: "let a paused container go on",
  arguments: [containerId],
  flags: [],
} as const satisfies CommandSpec;

const updateCommand = {
  name: "update",
  summary: "change the limits of a container",
  details:
    "What is not named stays, and when one limit is refused none is changed.\n" +
    "Limits are kept inside the virtual machine, whose size follows them.",
  arguments: [containerId],
  flags: resourceFlags,
} as const satisfies CommandSpec;

const psCommand = {
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

const eventsCommand = {
  name: "events",
  summary: "print what a container uses, and its lack of memory, as JSON",
  details: "One line for each interval and for each time that something was killed for want of memory.",
  arguments: [containerId],
  flags: [
    { name: "interval", kind: "text", value: "TIME", help: "time between statistics (default: 5s)" },
    { name: "stats", kind: "switch", help: "print the statistics once" },
  ],
} as const satisfies CommandSpec;

const logsCommand = {
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

const recoverCommand = {
  name: "recover",
  summary: "remove what dead containers left behind",
  details:
    "For all containers whose shim has died, like `delete --force`; those that live are left alone. A container that\n" +
    "has stopped in order keeps its id and its state until it is deleted.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "print what was found and done as JSON" }],
} as const satisfies CommandSpec;

const debugCommand = {
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

const specCommand = {
  name: "spec",
  summary: "write a config.json to start from",
  arguments: [],
  flags: [
    bundleFlag,
    {
      name: "rootless",
      kind: "switch",
      help: "for a runtime that is not run by root",
      refused: { because: "virtual machines of root are the only kind", hint: "leave it out" },
    },
  ],
} as const satisfies CommandSpec;

const featuresCommand = {
  name: "features",
  summary: "print what this runtime supports as JSON",
  arguments: [],
  flags: [],
} as const satisfies CommandSpec;

const factoryCommand = {
  name: "factory",
  summary: "make virtual machines ahead, show or remove them",
  details: "init makes the template of the configuration, status shows what there is, destroy removes all of it.",
  arguments: [{ name: "ACTION", choices: ["init", "status", "destroy"] }],
  flags: [{ name: "json", kind: "switch", help: "print JSON" }],
} as const satisfies CommandSpec;

const configCommand = {
  name: "config",
  summary: "show or check the configuration, or print a file to start from",
  details:
    "show: every value that is used now. check: all that is wrong with FILE, or with the file that is used.\n" +
    "default: a file with every key, its default and what it means.",
  arguments: [
    { name: "ACTION", choices: ["show", "check", "default"] },
    { name: "FILE", optional: true, completes: "file" },
  ],
  flags: [
    { name: "json", kind: "switch", help: "print JSON" },
    { name: "origin", kind: "switch", help: "with show: where each value comes from" },
  ],
} as const satisfies CommandSpec;

const sizingCommand = {
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

const checkCommand = {
  name: "check",
  summary: "say whether containers can run on this host, and what to do if not",
  details:
    "Prints what is missing or restricted, with --verbose all that was looked at. KVM is judged by booting a kernel; the\n" +
    "text says what is used instead. Status 0: containers run here; 1: they do not, something is missing. Also: kata-check.",
  arguments: [],
  flags: [
    { name: "verbose", short: "v", kind: "switch", help: "print what is in order, too" },
    { name: "json", kind: "switch", help: "print all findings as JSON" },
    { name: "strict", short: "s", kind: "switch", help: "status 1 for a restriction, too" },
    {
      name: "no-network-checks",
      short: "n",
      kind: "switch",
      help: "of Kata Containers; nothing is ever looked up there",
    },
  ],
} as const satisfies CommandSpec;

const envCommand = {
  name: "env",
  summary: "print what this runtime is made of and runs on",
  details:
    "Versions, paths and settings, with the names that Kata Containers gives them, as TOML.\n" +
    "Nothing has to be in order for it. Also: kata-env.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "as JSON" }],
} as const satisfies CommandSpec;

const completionCommand = {
  name: "completion",
  summary: "print the completion for a shell",
  details: "For bash, in the shell's own start-up file: source <(kumite completion bash)",
  arguments: [{ name: "SHELL", choices: ["bash", "zsh", "fish"] }],
  flags: [],
} as const satisfies CommandSpec;

const versionCommand = {
  name: "version",
  summary: "print the version",
  arguments: [],
  flags: [],
} as const satisfies CommandSpec;

const helpCommand = {
  name: "help",
  summary: "print help, of a verb when one is named",
  arguments: [{ name: "VERB", optional: true, completes: "verb" }],
  flags: [],
} as const satisfies CommandSpec;

/** In the order of the help text. */
export const commands = {
  create: createCommand,
  start: startCommand,
  run: runCommand,
  exec: execCommand,
  state: stateCommand,
  list: listCommand,
  kill: killCommand,
  delete: deleteCommand,
  pause: pauseCommand,
  resume: resumeCommand,
  update: updateCommand,
  ps: psCommand,
  events: eventsCommand,
  logs: logsCommand,
  recover: recoverCommand,
  debug: debugCommand,
  spec: specCommand,
  features: featuresCommand,
  check: checkCommand,
  env: envCommand,
  factory: factoryCommand,
  config: configCommand,
  sizing: sizingCommand,
  completion: completionCommand,
  version: versionCommand,
  help: helpCommand,
} as const;

/** Kata Containers' names of verbs. */
export const verbAliases: ReadonlyMap<string, Verb> = new Map([
  ["kata-check", "check"],
  ["kata-env", "env"],
]);

/** Of other runtimes; nothing of them is parsed. */
export const refusedVerbs: ReadonlyMap<string, Refusal> = new Map(
  (["checkpoint", "restore"] as const).map((verb) => [
    verb,
    {
      because: "criu saves processes of the host's kernel, and a container's are in a virtual machine with its own",
      hint: "stop the container, and start a new one from what it has written",
    },
  ]),
);

export type Verb = keyof typeof commands;

export function isVerb(word: string): word is Verb {
  return Object.hasOwn(commands, word);
}
