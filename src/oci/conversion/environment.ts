/** Environments as pairs. Pure. */
import { invalid } from "./invalid.ts";

export interface Variable {
  readonly name: string;
  readonly value: string;
}

/** Of a specification: what has no `=` is left out; the first one separates. */
export function environmentOf(entries: readonly string[] = []): Variable[] {
  return entries.flatMap((entry) => {
    const at = entry.indexOf("=");
    return at < 0 ? [] : [{ name: entry.slice(0, at), value: entry.slice(at + 1) }];
  });
}

/** Of a command line (`exec --env`): single quotes and blanks around a value go. Fails with `oci/spec-invalid`. */
export function variablesOf(words: readonly string[]): Variable[] {
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at < 0) throw invalid(`Wrong string format: ${word}, expecting KEY=VALUE`, "process.env");
    if (at === 0) throw invalid("Environment variable cannot be empty", "process.env");
    return { name: word.slice(0, at), value: word.slice(at + 1).replace(/^[' ]+|[' ]+$/g, "") };
  });
}
