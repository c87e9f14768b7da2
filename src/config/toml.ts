/** Parses the text of a configuration file. Knows nothing of keys. */
import { parse, TomlError } from "smol-toml";
import type { Origin } from "./problem.ts";

export type TomlTable = Readonly<Record<string, unknown>>;

/** Real files have 40 KiB. A larger file is no configuration, and the small engine would take seconds to parse it. */
export const maxFileBytes = 96 * 1024;

export type ParsedToml =
  | { readonly ok: true; readonly document: TomlTable }
  | { readonly ok: false; readonly origin: Origin; readonly what: string };

/** `file` is used for the place of an error. */
export function parseToml(text: string, file: string, kind: "file" | "drop-in"): ParsedToml {
  try {
    return { ok: true, document: parse(text, { maxDepth: 100 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The rest of the message is an excerpt of several lines, which do not fit into a log line.
    const [what = ""] = error.message.split("\n");
    return { ok: false, origin: { kind, file, line: error.line, column: error.column }, what };
  }
}
