/** `kumite logs`: the last lines of guest and shim, also of a container that failed and is gone. */
import { checkContainerId } from "../../oci/container-id.ts";
import { readJournal } from "../../persist/journal.ts";
import { findKeptLogs, type LogPaths } from "../../persist/kept-logs.ts";
import { containerPaths, sandboxPaths } from "../../persist/paths.ts";
import { readRingFile } from "../../persist/ring-file.ts";
import { notFound } from "../../sandbox/observe.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError } from "../../util/errors.ts";
import { stripControls } from "../../util/text.ts";
import type { VerbContext } from "../context.ts";
import { type LogLine, logLines } from "../log-lines.ts";
import type { Invocation } from "../parse.ts";

const maxShimLogBytes = 16 * 1024 * 1024;

export async function logs(context: VerbContext, { args, flags }: Invocation<"logs">): Promise<number> {
  const { os, output } = context;
  const [id = ""] = args;
  checkContainerId(id);
  const paths = await findLogs(context, id);
  const texts = { console: await readRingFile(os, paths.console), shim: await textOf(os, paths.log) };
  const lines = logLines(texts).filter(({ source }) => flags.source === undefined || source === flags.source);
  const shown = flags.tail === undefined ? lines : lines.slice(Math.max(0, lines.length - flags.tail));
  if (shown.length > 0) await output.out(shown.map(flags.json ? asJson : asText).join(""));
  return 0;
}

/** The logs of the container's sandbox. If there is none, those of the last failed container with this id. */
async function findLogs({ os, root, output }: VerbContext, id: string): Promise<LogPaths> {
  const journal = await readJournal(os, containerPaths(root, id).journal);
  if (journal !== undefined) return sandboxPaths(root, journal.sandbox ?? id);
  const kept = await findKeptLogs(os, root, id);
  if (kept === undefined) throw notFound(root, id);
  const when = new Date(kept.keptMs).toISOString();
  await output.err(`kumite: container ${id} has been gone since ${when}: ${stripControls(kept.reason)}\n`);
  return kept.paths;
}

function asText({ time, source, text }: LogLine): string {
  return `${time.padEnd(24)} ${source.padEnd(7)} ${text}\n`;
}

function asJson(line: LogLine): string {
  return `${JSON.stringify(line)}\n`;
}

async function textOf(os: Os, path: string): Promise<string> {
  try {
    return await os.files.readText(path, maxShimLogBytes);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return "";
    throw error;
  }
}
