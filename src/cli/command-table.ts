/**
 * All verbs and their flags, as data. Together with `global-flags.ts` this is the only source for parsing, checking and
 * help. Does not know what the verbs do.
 */
import {
  checkCommand,
  completionCommand,
  configCommand,
  envCommand,
  factoryCommand,
  featuresCommand,
  helpCommand,
  recoverCommand,
  specCommand,
  versionCommand,
} from "./command-specs/host-verbs.ts";
import {
  createCommand,
  deleteCommand,
  execCommand,
  killCommand,
  pauseCommand,
  resumeCommand,
  runCommand,
  startCommand,
  updateCommand,
} from "./command-specs/life-verbs.ts";
import {
  debugCommand,
  eventsCommand,
  listCommand,
  logsCommand,
  psCommand,
  sizingCommand,
  stateCommand,
} from "./command-specs/look-verbs.ts";
import type { Refusal } from "./flag-spec.ts";

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

/** Names of verbs in Kata Containers that have another name here. */
export const verbAliases: ReadonlyMap<string, Verb> = new Map([
  ["kata-check", "check"],
  ["kata-env", "env"],
]);

/** Verbs of other runtimes that are refused without parsing their arguments. */
export const refusedVerbs: ReadonlyMap<string, Refusal> = new Map(
  (["checkpoint", "restore"] as const).map((verb) => [
    verb,
    {
      because: "criu works on processes of the host's kernel, but a container's processes run in a VM",
      hint: "stop the container and create a new one from its root file system",
    },
  ]),
);

export type Verb = keyof typeof commands;

export function isVerb(word: string): word is Verb {
  return Object.hasOwn(commands, word);
}
