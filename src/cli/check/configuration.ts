/** The configuration for `check` and `env`. With errors in the file, as much of it as possible is still used. */
import type { Config } from "../../config/config.ts";
import { type Loaded, loadSettings } from "../../config/load.ts";
import { errorsIn, problemText } from "../../config/problem.ts";
import { configOf } from "../../config/resolve.ts";
import { isKumiteError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import { type Finding, missing, note, ok } from "./finding.ts";

/** An empty file, which gives the defaults. */
const nothing = "/dev/null";

export interface ConfigurationLook {
  readonly loaded: Loaded;
  readonly config: Config;
  readonly finding: Finding;
}

export async function lookAtConfiguration(context: VerbContext): Promise<ConfigurationLook> {
  const { os, config: path, overrides } = context;
  const installRoot = dirName(os.self.executable);
  try {
    const loaded = await loadSettings(os, { installRoot, path, overrides });
    return { loaded, config: configOf(loaded.effective, loaded), finding: findingOf(loaded) };
  } catch (error) {
    if (!isKumiteError(error, "config/invalid")) throw error;
    const loaded = await loadSettings(os, { installRoot, path: nothing });
    const finding = missing("configuration", error.message, error.hint ?? "give another file with --config");
    return { loaded, config: configOf(loaded.effective, loaded), finding };
  }
}

function findingOf({ file, problems }: Loaded): Finding {
  const [first, ...others] = errorsIn(problems);
  if (first !== undefined) {
    const more = others.length === 0 ? "" : ` (and ${others.length} more)`;
    return missing("configuration", `${problemText(first)}${more}`, first.hint ?? "correct the file");
  }
  const notices = problems.filter(({ severity }) => severity !== "error");
  const [notice] = notices;
  if (notice !== undefined) {
    const more = notices.length === 1 ? "" : ` (and ${notices.length - 1} more)`;
    return note(
      "configuration",
      `${problemText(notice)}${more}`,
      notice.hint ?? "correct the file; it is used as it is",
    );
  }
  return ok("configuration", file ?? "no file: defaults are used");
}
