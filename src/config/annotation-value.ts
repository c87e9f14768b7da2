/** Converts the text of an annotation to its key's value, by rules that apply to annotations only. Pure. */
import { oneLine } from "../util/text.ts";
import { mostVcpus } from "./clamps.ts";
import type { ConfigSurroundings } from "./config.ts";
import type { ConfigEra, KeySpec, KeyValue } from "./key.ts";
import type { Report } from "./problem.ts";
import { faultOf, parseBoolean, textFault } from "./value.ts";

export interface AnnotationContext {
  readonly era: ConfigEra;
  readonly surroundings: ConfigSurroundings;
  readonly report: Report;
}

/** The value, or what is wrong with it. */
export function checkedValue(
  table: string,
  key: string,
  spec: KeySpec,
  text: string,
  context: AnnotationContext,
): KeyValue | { readonly fault: string } {
  const value = valueFrom(key, spec, text, context.era);
  const fault = faultOf(spec, value, context.era);
  if (fault !== undefined) return { fault: `${table}.${key} ${fault}` };
  const wrong =
    typeof value === "string" && spec.kind === "text" ? textFault(`${table}.${key}`, spec, value) : undefined;
  const beyond = wrong ?? (typeof value === "number" ? limitFault(key, value, context) : undefined);
  return beyond === undefined ? value : { fault: beyond };
}

function valueFrom(key: string, spec: KeySpec, text: string, era: ConfigEra): KeyValue {
  switch (spec.kind) {
    case "boolean":
      return parseBoolean(text) ?? text;
    case "integer":
      return /^\d+$/.test(text) ? Number(text) : text;
    case "number":
      return (era === "3.x" ? /^\d+(\.\d+)?$/ : /^\d+$/).test(text) ? Number(text) : text;
    case "list":
      return listOf(key, text, era);
    case "text":
    case "boolean-or":
    case "tables":
      return text;
  }
}

function listOf(key: string, text: string, era: ConfigEra): KeyValue {
  if (key === "kernel_modules") return split(text, ";");
  const json = era === "3.x" && (key === "virtio_fs_extra_args" || key === "numa_mapping");
  if (!json) return split(text, /\s+/);
  try {
    return JSON.parse(text) as KeyValue;
  } catch {
    return oneLine(text, 60);
  }
}

function split(text: string, at: string | RegExp): string[] {
  return text
    .split(at)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** A number from a file is brought into its limits. A number from an annotation beyond them is an error. */
function limitFault(key: string, value: number, { era, surroundings }: AnnotationContext): string | undefined {
  const { hostCpus } = surroundings;
  switch (key) {
    case "default_vcpus":
      return value > hostCpus ? `default_vcpus is ${value}, but the host has ${hostCpus} CPUs` : undefined;
    case "default_maxvcpus": {
      const most = Math.min(hostCpus, mostVcpus);
      return value > most ? `default_max_vcpus is ${value}, but a VM on this host can have at most ${most}` : undefined;
    }
    case "default_memory":
      return era === "3.x" && value < 256 ? `default_memory is ${value} MiB, but must be at least 256` : undefined;
    default:
      return undefined;
  }
}
