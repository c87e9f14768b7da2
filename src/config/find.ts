/** Finds the configuration file. */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";

/** Environment variable with the file's path, as in Kata Containers. */
export const configFileVariable = "KATA_CONF_FILE";

/** The first that exists is used: the host's before the package's, Kumite's before Kata Containers'. */
export const defaultConfigPaths = [
  "/etc/kumite/configuration.toml",
  "/usr/share/defaults/kumite/configuration.toml",
  "/etc/kata-containers/configuration.toml",
  "/usr/share/defaults/kata-containers/configuration.toml",
] as const;

/**
 * The path without symlinks; `undefined` if there is no file and the defaults apply. If `path` is given, nothing else
 * is tried. A file that exists but cannot be used is an error; the next candidate is not tried.
 */
export async function findConfigFile(
  os: Os,
  path: string | undefined,
  candidates: readonly string[] = defaultConfigPaths,
): Promise<string | undefined> {
  if (path !== undefined) return await resolved(os, path);
  for (const candidate of candidates) {
    // A dangling link counts as existing.
    if ((await os.files.linkStatus(candidate).catch(absent)) !== undefined) return await resolved(os, candidate);
  }
  return undefined;
}

function absent(error: unknown): undefined {
  if (!isSystemError(error, "ENOENT", "ENOTDIR")) throw error;
}

async function resolved(os: Os, path: string): Promise<string> {
  try {
    return await os.files.realPath(path);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("config/invalid", `Cannot find usable config file (${messageOf(error)})`, {
      phase: "config.load",
      hint: `give another file with --config, or omit --config to use ${defaultConfigPaths[0]} or the defaults`,
      data: { file: path },
    });
  }
}
