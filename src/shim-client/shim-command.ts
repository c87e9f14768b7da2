/** How a shim is started: its command line and its environment. The shim's own `main.ts` reads these flags. */
import type { Os, SpawnRequest } from "../sys/os.ts";
import { type Install, installedFile, installedNode } from "./install.ts";

export interface ShimOptions {
  /** Absolute path; the verb's `--root`. */
  readonly root: string;
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  /** Absolute path; `undefined` for the system's configuration. */
  readonly config: string | undefined;
  /** `TABLE.KEY=VALUE` settings of the configuration. */
  readonly overrides?: readonly string[];
  readonly debug: boolean;
  readonly logFormat: "text" | "json";
  /** The VM's processes are companions of the shim, and the shared tree exists already. */
  readonly ahead?: boolean;
}

/** A shim's process without the descriptors and cgroups that its starter adds. */
export type ShimCommand = Pick<SpawnRequest, "path" | "argv" | "env" | "cwd">;

export type ShimProgram = Pick<SpawnRequest, "path" | "argv" | "env">;

/** `program` with the flags of a verb. */
export function shimCommand(program: ShimProgram, options: ShimOptions): ShimCommand {
  const { root, id, bundle, config, overrides = [], debug, logFormat } = options;
  const flags = ["--root", root, "--id", id, "--bundle", bundle, "--log-format", logFormat];
  if (config !== undefined) flags.push("--config", config);
  for (const override of overrides) flags.push("--set", override);
  if (debug) flags.push("--debug");
  // The shim looks for this flag before it parses the others. As the first word it cannot be mistaken for a value.
  if (options.ahead === true) flags.unshift("--ahead");
  return { ...program, argv: [...program.argv, ...flags], cwd: "/" };
}

/**
 * The program without the verb's flags. Its title in the process table begins with `kumite-shim`. The caller's
 * environment is not passed: NODE_OPTIONS would change the program, and PATH may be missing.
 * @throws KumiteError `install/incomplete`
 */
export async function shimProgram(os: Os, install: Install): Promise<ShimProgram> {
  return {
    path: await installedNode(os, install),
    argv: ["kumite-shim", await shimEntry(os, install)],
    // One malloc arena for all of Node's threads: memory freed in one arena is useless to the others, which costs
    // megabytes after some hundred execs. An explicit trim threshold keeps it from growing with the largest block.
    env: {
      PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      MALLOC_ARENA_MAX: "1",
      MALLOC_TRIM_THRESHOLD_: "131072",
    },
  };
}

/**
 * The shim's entry, after a check of its code. The file with V8's compiled form may be missing: V8 can compile again.
 */
async function shimEntry(os: Os, install: Install): Promise<string> {
  await installedFile(os, install, "shim.js");
  return installedFile(os, install, "shim.cjs");
}
