/** The verbs about this host, the configuration and the program itself. */
import type { CommandSpec } from "../flag-spec.ts";
import { bundleFlag } from "./shared.ts";

export const recoverCommand = {
  name: "recover",
  summary: "remove what dead containers left behind",
  details:
    "For all containers whose shim has died, like `delete --force`; those that live are left alone. A container that\n" +
    "has stopped in order keeps its id and its state until it is deleted.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "print what was found and done as JSON" }],
} as const satisfies CommandSpec;

export const specCommand = {
  name: "spec",
  summary: "write a config.json to start from",
  arguments: [],
  flags: [
    { ...bundleFlag, help: "directory to write config.json to (default: the current directory)" },
    {
      name: "rootless",
      kind: "switch",
      help: "for a runtime that is not run by root",
      refused: { because: "only root can run virtual machines here", hint: "leave it out" },
    },
  ],
} as const satisfies CommandSpec;

export const featuresCommand = {
  name: "features",
  summary: "print what this runtime supports as JSON",
  arguments: [],
  flags: [],
} as const satisfies CommandSpec;

export const checkCommand = {
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
      ignored: "nothing is ever looked up there",
      help: "do not look for newer releases on the network",
    },
  ],
} as const satisfies CommandSpec;

export const envCommand = {
  name: "env",
  summary: "print what this runtime is made of and runs on",
  details:
    "Versions, paths and settings, with the names that Kata Containers gives them, as TOML.\n" +
    "Nothing has to be in order for it. Also: kata-env.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "as JSON" }],
} as const satisfies CommandSpec;

export const factoryCommand = {
  name: "factory",
  summary: "make virtual machines ahead, show or remove them",
  details: "init makes the template of the configuration, status shows what there is, destroy removes all of it.",
  arguments: [{ name: "ACTION", choices: ["init", "status", "destroy"] }],
  flags: [{ name: "json", kind: "switch", help: "print JSON" }],
} as const satisfies CommandSpec;

export const configCommand = {
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

export const completionCommand = {
  name: "completion",
  summary: "print the completion for a shell",
  details: "For bash, in the shell's own start-up file: source <(kumite completion bash)",
  arguments: [{ name: "SHELL", choices: ["bash", "zsh", "fish"] }],
  flags: [],
} as const satisfies CommandSpec;

export const versionCommand = {
  name: "version",
  summary: "print the version",
  arguments: [],
  flags: [],
} as const satisfies CommandSpec;

export const helpCommand = {
  name: "help",
  summary: "print help, of a verb when one is named",
  arguments: [{ name: "VERB", optional: true, completes: "verb" }],
  flags: [],
} as const satisfies CommandSpec;
