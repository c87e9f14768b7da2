/** The verbs about this host, the configuration and the program itself. */
import type { CommandSpec } from "../flag-spec.ts";
import { bundleFlag } from "./shared.ts";

export const recoverCommand = {
  name: "recover",
  summary: "remove what is left of containers whose shim has died",
  details:
    "Does `delete --force` for every container whose shim has died. Running containers are not touched, and one that\n" +
    "stopped normally keeps its id and state until it is deleted.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "print what was found and removed, as JSON" }],
} as const satisfies CommandSpec;

export const specCommand = {
  name: "spec",
  summary: "write an example config.json",
  arguments: [],
  flags: [
    { ...bundleFlag, help: "directory to write config.json to (default: the current directory)" },
    {
      name: "rootless",
      kind: "switch",
      help: "write one for a runtime that does not run as root",
      refused: { because: "Kumite runs only as root", hint: "leave the flag out" },
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
  summary: "check whether containers can run on this host, and suggest fixes",
  details:
    "Prints what is missing or restricted, and with --verbose everything that was checked. KVM is tried by booting a\n" +
    "kernel; where it does not work, VMs are emulated. Exit status 0: containers can run here; 1: something is missing.\n" +
    "Also available as kata-check.",
  arguments: [],
  flags: [
    { name: "verbose", short: "v", kind: "switch", help: "also print the checks that passed" },
    { name: "json", kind: "switch", help: "print all results as JSON" },
    { name: "strict", short: "s", kind: "switch", help: "exit with status 1 also for a restriction" },
    {
      name: "no-network-checks",
      short: "n",
      kind: "switch",
      ignored: "check never uses the network",
      help: "do not look for newer releases on the network",
    },
  ],
} as const satisfies CommandSpec;

export const envCommand = {
  name: "env",
  summary: "print versions, paths and settings of the runtime and the host",
  details:
    "As TOML, under the names that Kata Containers gives them. Works also where containers cannot run.\n" +
    "Also available as kata-env.",
  arguments: [],
  flags: [{ name: "json", kind: "switch", help: "print JSON instead of TOML" }],
} as const satisfies CommandSpec;

export const factoryCommand = {
  name: "factory",
  summary: "manage VM templates and the VM cache",
  details:
    "init: makes a template for the configuration, or starts the VM cache server (vm_cache_number).\n" +
    "status: shows templates and cached VMs. destroy: removes them and stops the server.",
  arguments: [{ name: "ACTION", choices: ["init", "status", "destroy"] }],
  flags: [{ name: "json", kind: "switch", help: "print JSON" }],
} as const satisfies CommandSpec;

export const configCommand = {
  name: "config",
  summary: "show or check the configuration, or print an example file",
  details:
    "show: every value in effect. check: all problems of FILE, or of the file in effect.\n" +
    "default: an example file with every key, its default and its meaning.",
  arguments: [
    { name: "ACTION", choices: ["show", "check", "default"] },
    { name: "FILE", optional: true, completes: "file" },
  ],
  flags: [
    { name: "json", kind: "switch", help: "print JSON" },
    { name: "origin", kind: "switch", help: "with show: also print where each value comes from" },
  ],
} as const satisfies CommandSpec;

export const completionCommand = {
  name: "completion",
  summary: "print the completion script for a shell",
  details: "For bash, add to ~/.bashrc: source <(kumite completion bash)",
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
  summary: "print help, or the help of one verb",
  arguments: [{ name: "VERB", optional: true, completes: "verb" }],
  flags: [],
} as const satisfies CommandSpec;
