/**
 * The protocol between a builder and the process that started it: one line of JSON each way, a `BuildRequest` and a
 * `BuildAnswer`.
 */
import { isRecord, parseJson } from "../../util/json.ts";

/** The stream's descriptor in the builder. */
export const builderDescriptor = 3;
export const builderName = "kumite-template";
/** A configuration takes a few kilobytes. */
export const maxBuildLine = 1024 * 1024;

export type BuildAnswer =
  | { readonly made: true }
  /** What failed and why, on one line. */
  | { readonly made: false; readonly error: string };

/** `undefined` for anything else, e.g. if the builder was killed. */
export function parseAnswer(line: string | undefined): BuildAnswer | undefined {
  const value = line === undefined ? undefined : parseJson(line);
  if (!isRecord(value)) return undefined;
  if (value.made === true) return { made: true };
  return value.made === false && typeof value.error === "string" ? { made: false, error: value.error } : undefined;
}
