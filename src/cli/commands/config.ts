/** `kumite config`: shows the configuration, checks it, or prints an example file. */
import { defaultFile } from "../../config/default-file.ts";
import { loadSettings } from "../../config/load.ts";
import { configError, errorsIn, originText, type Problem } from "../../config/problem.ts";
import { shownAsJson, shownAsToml, shownTables } from "../../config/shown.ts";
import { KumiteError } from "../../util/errors.ts";
import { dirName, resolvePath } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

export async function config(context: VerbContext, { args, flags }: Invocation<"config">): Promise<number> {
  const [action, file] = args;
  if (file !== undefined && action !== "check") {
    throw new KumiteError("usage/invalid", `config: unexpected argument "${file}"`, {
      hint: `write --config ${file} before the verb`,
    });
  }
  switch (action) {
    case "show":
      return await show(context, flags);
    case "check":
      return await check(context, file, flags.json);
    default:
      await context.output.out(defaultFile());
      return 0;
  }
}

async function show(context: VerbContext, { json, origin }: Invocation<"config">["flags"]): Promise<number> {
  const loaded = await load(context, context.config);
  const errors = errorsIn(loaded.problems);
  if (errors.length > 0) throw configError(errors);
  const tables = shownTables(loaded);
  await context.output.out(json ? shownAsJson(tables, origin) : shownAsToml(tables, origin));
  return 0;
}

/** Returns 1 if there is an error or a key that nobody reads. */
async function check(context: VerbContext, file: string | undefined, json: boolean): Promise<number> {
  const { os, output } = context;
  const path = file === undefined ? context.config : resolvePath(os.self.cwd(), file);
  const { problems: found, file: read } = await load(context, path);
  const problems = [...found].sort(byPlace);
  const wrong = problems.filter(({ severity }) => severity !== "notice").length;
  if (json) await output.out(`${JSON.stringify(problems.map(documentOf), undefined, 2)}\n`);
  else {
    const end = wrong === 0 ? `${read ?? "the built-in configuration"} is correct\n` : `${counted(wrong)}\n`;
    await output.out(problems.map(lineOf).join("") + end);
  }
  return wrong === 0 ? 0 : 1;
}

function byPlace({ origin: a }: Problem, { origin: b }: Problem): number {
  if (!("file" in a) || !("file" in b) || a.file !== b.file) return 0;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function load({ os, overrides }: VerbContext, path: string | undefined) {
  return loadSettings(os, { installRoot: dirName(os.self.executable), path, overrides });
}

const words = { error: "error", unknown: "error", notice: "note" } as const;

function lineOf({ severity, origin, reason, hint }: Problem): string {
  const line = `${originText(origin)}: ${words[severity]}: ${reason}\n`;
  return hint === undefined ? line : `${line}  try: ${hint}\n`;
}

function documentOf({ severity, origin, key, reason, hint }: Problem): Record<string, unknown> {
  return { severity: words[severity], ...origin, key, reason, hint };
}

function counted(count: number): string {
  return count === 1 ? "1 error" : `${count} errors`;
}
