/**
 * The command line of a shim: how it is started, and with which environment.
 * The shim's own `main.ts` reads these flags.
 */
import type { Os, SpawnRequest } from "../sys/os.ts";
import { type Install, installedFile, installedNode } from "./install.ts";

export interface ShimOptions {
  /** Absolute; of the verb's `--root`. */
  readonly root: string;
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Absolute; `undefined` for the system's configuration. */
  readonly config: string | undefined;
  /** `TABLE.KEY=VALUE` of the configuration. */
  readonly overrides?: readonly string[];
  readonly debug: boolean;
  readonly logFormat: "text" | "json";
  /** Its machine's processes are its companions, and the shared tree is made. */
  readonly ahead?: boolean;
}

/**
 * A shim is idle most of its life, so its memory counts: V8 would grow its nursery with the traffic and keep it, tens of
 * megabytes after one large output, hold a second compiled form of all code that ran twice, and let garbage grow to
 * several times what is in use: tens of megabytes after some hundred execs. What is left of it is collected at rest. And it
 * would compile whatever a thousand execs have run often enough: only code that runs thirty times as long is worth its memory.
 */
export const shimNodeFlags: readonly string[] = [
  "--max-semi-space-size=1",
  "--heap-growing-percent=25",
  "--no-sparkplug",
  "--interrupt-budget=4000000",
  "--expose-gc",
];

/** What a shim's process is, without the descriptors and cgroups that its starter gives it. */
export type ShimCommand = Pick<SpawnRequest, "path" | "argv" | "env" | "cwd">;

export type ShimProgram = Pick<SpawnRequest, "path" | "argv" | "env">;

/** `program` with the words of a verb. */
export function shimCommand(program: ShimProgram, options: ShimOptions): ShimCommand {
  const { root, id, bundle, config, overrides = [], debug, logFormat } = options;
  const flags = ["--root", root, "--id", id, "--bundle", bundle, "--log-format", logFormat];
  if (config !== undefined) flags.push("--config", config);
  for (const override of overrides) flags.push("--set", override);
  if (debug) flags.push("--debug");
  // The first word, which is never a value: it is looked for before the others are read.
  if (options.ahead === true) flags.unshift("--ahead");
  return { ...program, argv: [...program.argv, ...flags], cwd: "/" };
}

/**
 * The program without its words. The title in the process table begins with `kumite-shim`; Node takes nothing from it.
 * Nothing of the caller's environment is passed: NODE_OPTIONS would change the program, and PATH may be missing.
 * @throws KumiteError `install/incomplete`
 */
export async function shimProgram(os: Os, install: Install): Promise<ShimProgram> {
  return {
    path: await installedNode(os, install),
    argv: ["kumite-shim", ...shimNodeFlags, await shimEntry(os, install)],
    // One heap of the C library for all of Node's threads: with one for each, memory that one has given back is no use to
    // the others, megabytes after some hundred execs. With a threshold that is given, it does not grow with the largest block.
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      MALLOC_ARENA_MAX: "1",
      MALLOC_TRIM_THRESHOLD_: "131072",
    },
  };
}

/** Of its files one is the entry, and one may be missing: the code that V8 made of the text, which it can make again. */
async function shimEntry(os: Os, install: Install): Promise<string> {
  await installedFile(os, install, "shim.js");
  return installedFile(os, install, "shim.cjs");
}
