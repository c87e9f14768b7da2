/** Reads the text of a configuration file. Knows nothing of keys. */
import { parse, TomlError } from "smol-toml";
import type { Origin } from "./problem.ts";

export type TomlTable = Readonly<Record<string, unknown>>;

/** Real files have 40 KiB; what is larger than this is none, and would take the small engine seconds to read. */
export const maxFileBytes = 96 * 1024;

export type ParsedToml =
  | { readonly ok: true; readonly document: TomlTable }
  | { readonly ok: false; readonly origin: Origin; readonly what: string };

/** `file` is for the place of an error. */
export function parseToml(text: string, file: string, kind: "file" | "drop-in"): ParsedToml {
  try {
    return { ok: true, document: parse(text, { maxDepth: 100 }) };
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // The message goes on with a copy of the lines around, which a log cannot show.
    const [what = ""] = error.message.split("\n");
    return { ok: false, origin: { kind, file, line: error.line, column: error.column }, what };
  }
}
