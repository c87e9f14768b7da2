/**
 * The protocol between the builder of a template and its keeper: lines of JSON on one stream. The builder sends
 * `{"state": <bytes>}` followed by that many bytes, then `{"keep": true}`. The keeper sends a `KeeperPlace` at its
 * start and after the state. With `filledWord` at the end of the command line the builder first sends `{"filled":
 * true}` when it has written the memory, and gets an answer to that, too. If the stream ends before `keep`, the keeper
 * ends, because nobody has published the template.
 */
import { isRecord, parseJson } from "../../util/json.ts";

/** The stream's descriptor in the keeper. */
export const keeperDescriptor = 3;

/** The builder writes the memory before a VM uses it. */
export const filledWord = "filled";

/** The keeper's name in the process table. */
export const keeperName = "kumite-keeper";

/**
 * The keeper's command line: key, size of the memory in bytes, and then either `filledWord`, or the template's store
 * and the size of the upper layer's disk, if there is one.
 */
export function keeperWords(keeper: {
  readonly key: string;
  readonly memoryBytes: number;
  readonly store?: string | undefined;
  readonly upperBytes?: number | undefined;
  readonly filled?: boolean | undefined;
}): string[] {
  const { key, memoryBytes, store, upperBytes = 0, filled } = keeper;
  const template = store === undefined ? [] : [store, ...(upperBytes > 0 ? [String(upperBytes)] : [])];
  return [keeperName, key, String(memoryBytes), ...(filled === true ? [filledWord] : template)];
}

/** The key of the template that a process keeps for that store; `undefined` if it keeps none. */
export function keyKeptBy(argv: readonly string[], store: string): string | undefined {
  const [name, key, , last] = argv;
  return name === keeperName && last === store ? key : undefined;
}

/** The name that the kernel shows for the memory of a template. */
export function memoryName(key: string): string {
  return `kumite-template-${key}`;
}

/** Descriptors in the keeper. */
export interface KeeperPlace {
  readonly memory: number;
  /** The upper layer's disk, if it was requested. */
  readonly upper?: number;
  /** Set once the state was stored. From then on nobody can change any of the files. */
  readonly state?: number;
}

export const maxKeeperLine = 1024;

export function parsePlace(line: string | undefined): KeeperPlace | undefined {
  const value = line === undefined ? undefined : parseJson(line);
  if (!isRecord(value)) return undefined;
  const { memory, upper, state } = value;
  if (!isDescriptor(memory)) return undefined;
  if ([upper, state].some((descriptor) => descriptor !== undefined && !isDescriptor(descriptor))) return undefined;
  return { memory, ...(isDescriptor(upper) && { upper }), ...(isDescriptor(state) && { state }) };
}

function isDescriptor(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
