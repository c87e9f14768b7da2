/** Flags and arguments that several kinds of verbs share. */
import type { FlagSpec } from "../flag-spec.ts";

export const bundleFlag = {
  name: "bundle",
  short: "b",
  kind: "text",
  value: "DIR",
  help: "directory with config.json (default: the current directory)",
} as const satisfies FlagSpec;

export const containerId = { name: "ID", completes: "container" } as const;
