/** What a builder and whoever started it say to each other: one line of JSON each way, a `BuildRequest` and an answer. */
import { isRecord, parseJson } from "../../util/json.ts";

/** Descriptor of the stream in the builder. */
export const builderDescriptor = 3;
export const builderName = "kumite-template";
/** A configuration is some kilobytes. */
export const maxBuildLine = 1024 * 1024;

export type BuildAnswer =
  | { readonly made: true }
  /** What failed and why, on one line. */
  | { readonly made: false; readonly error: string };

/** `undefined` for anything else, as from a builder that was killed. */
export function parseAnswer(line: string | undefined): BuildAnswer | undefined {
  const value = line === undefined ? undefined : parseJson(line);
  if (!isRecord(value)) return undefined;
  if (value.made === true) return { made: true };
  return value.made === false && typeof value.error === "string" ? { made: false, error: value.error } : undefined;
}
