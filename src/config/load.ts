/**
 * Finds, reads and checks the configuration file.
 * Unlike Kata Containers, a key that is not known is an error: a typing error must not run a container differently from
 * what was meant.
 */
import { parse, TomlError } from "smol-toml";
import * as v from "valibot";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { type Config, resolveConfig } from "./config.ts";
import { hostCpus } from "./host-cpus.ts";
import { type ConfigDocument, configSchema } from "./schema.ts";

export const systemConfigPath = "/etc/kumite/configuration.toml";

export interface LoadConfigOptions {
  readonly installRoot: string;
  /** Used alone, and must exist; default: `/etc/kumite/configuration.toml` if there is one. */
  readonly path?: string | undefined;
}

/** Fails with `config/invalid`, naming the file and the key. */
export async function loadConfig(os: Os, { installRoot, path }: LoadConfigOptions): Promise<Config> {
  const file = path ?? systemConfigPath;
  const text = await readConfigFile(os, file, path !== undefined);
  const document = text === undefined ? {} : parseConfig(text, file);
  return resolveConfig(document, { installRoot, hostCpus: await hostCpus(os) });
}

/** `file` is for errors only. */
export function parseConfig(text: string, file: string): ConfigDocument {
  const result = v.safeParse(configSchema(), parseToml(text, file), { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const key = v.getDotPath(issue) ?? "the document";
  throw new KumiteError("config/invalid", `${file}: ${key} ${faultOf(issue)}`, {
    phase: "config.load",
    hint: "correct the key, or remove it to get the default",
    data: { file, key },
  });
}

async function readConfigFile(os: Os, file: string, mustExist: boolean): Promise<string | undefined> {
  try {
    return await os.files.readText(file);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    if (!mustExist && error.errno === "ENOENT") return undefined;
    throw new KumiteError("config/invalid", `cannot find usable config file (${messageOf(error)})`, {
      phase: "config.load",
      hint: `give another file with --config, or none to use ${systemConfigPath} or the defaults`,
      data: { file },
    });
  }
}

function parseToml(text: string, file: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The message goes on with a copy of the lines around, which a log cannot show.
    const [what] = error.message.split("\n");
    throw new KumiteError("config/invalid", `${file}:${error.line}:${error.column}: ${what}`, {
      phase: "config.load",
      hint: "the file must be TOML 1.0",
      data: { file },
    });
  }
}

function faultOf(issue: v.BaseIssue<unknown>): string {
  if (issue.type === "strict_object" && issue.expected === "never") return "is not a known key";
  if (issue.type === "check" || issue.type === "picklist") return `is ${show(issue.input)}, but ${issue.message}`;
  return `must be a ${expected[issue.expected ?? ""] ?? issue.expected}, not ${show(issue.input)}`;
}

const expected: Readonly<Record<string, string>> = { Object: "table" };

function show(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a table";
  return JSON.stringify(value) ?? String(value);
}
