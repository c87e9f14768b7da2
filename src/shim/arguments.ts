/** The command line of a shim, as `shim-client/shim-command.ts` writes it. */
import { checkContainerId } from "../oci/container-id.ts";
import { KumiteError } from "../util/errors.ts";
import { isAbsolutePath } from "../util/path.ts";

export interface ShimArguments {
  readonly root: string;
  readonly id: string;
  readonly bundle: string;
  /** `undefined` for the system's configuration. */
  readonly config: string | undefined;
  /** `TABLE.KEY=VALUE` settings of the configuration. */
  readonly overrides: readonly string[];
  readonly debug: boolean;
  readonly logFormat: "text" | "json";
  /** The verb has already started processes of the VM and made the shared tree. */
  readonly ahead?: boolean;
}

/** The command line of a shim for the VM cache, which has a VM before it has a sandbox; the cache server writes it. */
export interface CachedArguments {
  readonly name: string;
  readonly cgroups: readonly string[];
  readonly config: string | undefined;
  readonly overrides: readonly string[];
}

/** `undefined` for a shim that is started for a sandbox. @throws KumiteError `usage/invalid` */
export function parseCachedArguments(words: readonly string[]): CachedArguments | undefined {
  if (words[0] !== "--cached") return undefined;
  const overrides: string[] = [];
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at += 2) {
    const [flag = "", value] = [words[at], words[at + 1]];
    if (value === undefined) throw wrong(`${flag} needs a value`);
    if (flag === "--set") overrides.push(value);
    else values.set(flag, value);
  }
  const cgroups: unknown = JSON.parse(required(values, "--cgroups"));
  const isList = Array.isArray(cgroups) && cgroups.every((path) => typeof path === "string");
  if (!isList) throw wrong("--cgroups must be a list of paths");
  return { name: required(values, "--cached"), cgroups, config: values.get("--config"), overrides };
}

const valueFlags = ["--root", "--id", "--bundle", "--config", "--log-format", "--set"];

/** `words` come after the program. @throws KumiteError `usage/invalid`, `container/bad-id` */
export function parseShimArguments(words: readonly string[]): ShimArguments {
  const values = new Map<string, string>();
  const overrides: string[] = [];
  let debug = false;
  let ahead = false;
  for (let at = 0; at < words.length; at++) {
    const flag = words[at] ?? "";
    if (flag === "--debug") {
      debug = true;
      continue;
    }
    if (flag === "--ahead") {
      ahead = true;
      continue;
    }
    const value = words[++at];
    if (!valueFlags.includes(flag)) throw wrong(`unexpected argument "${flag}"`);
    if (value === undefined) throw wrong(`${flag} needs a value`);
    if (flag === "--set") overrides.push(value);
    else values.set(flag, value);
  }
  const id = required(values, "--id");
  checkContainerId(id);
  const config = values.get("--config");
  return {
    root: absolute("--root", required(values, "--root")),
    id,
    bundle: absolute("--bundle", required(values, "--bundle")),
    config: config === undefined ? undefined : absolute("--config", config),
    overrides,
    debug,
    logFormat: formatOf(values.get("--log-format") ?? "text"),
    ...(ahead && { ahead }),
  };
}

function required(values: ReadonlyMap<string, string>, flag: string): string {
  const value = values.get(flag);
  if (value === undefined) throw wrong(`${flag} is required`);
  return value;
}

function absolute(flag: string, path: string): string {
  if (!isAbsolutePath(path)) throw wrong(`${flag} must be an absolute path, not "${path}"`);
  return path;
}

function formatOf(name: string): "text" | "json" {
  if (name === "text" || name === "json") return name;
  throw wrong(`unknown log format "${name}"`);
}

function wrong(what: string): KumiteError {
  return new KumiteError("usage/invalid", `kumite-shim: ${what}`, {
    hint: "shims are started by the verbs `create` and `run`",
  });
}
