/**
 * What the builder of a template and the process that keeps it say to each other: lines of JSON on one stream.
 * builder: `{"state": <bytes>}` and that many bytes, then `{"keep": true}`; keeper: a `KeeperPlace` at its start and after
 * the state. With `filledWord` at the end of its command line the builder says `{"filled": true}` first, when the memory has
 * its content, and is answered too. A keeper whose stream ends before `keep` ends too: what nobody has published is of no use.
 */
import { isRecord, parseJson } from "../../util/json.ts";

/** Descriptor of the stream in the keeper. */
export const keeperDescriptor = 3;

/** The builder writes the memory before a machine has it. */
export const filledWord = "filled";

/** Name of the program, which it has in the process table. */
export const keeperName = "kumite-keeper";

/**
 * Its command line: key, size of the memory in bytes, and whether it is filled first or which store it is a template of; in
 * that case with the size of the disk of the upper layer, if there is one.
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

/** The key of the template that a process keeps in that store; `undefined` when it keeps none of it. */
export function keyKeptBy(argv: readonly string[], store: string): string | undefined {
  const [name, key, , last] = argv;
  return name === keeperName && last === store ? key : undefined;
}

/** What the memory of a template is called where the kernel shows it. */
export function memoryName(key: string): string {
  return `kumite-template-${key}`;
}

/** Descriptors of the keeper. */
export interface KeeperPlace {
  readonly memory: number;
  /** The disk of the upper layer, where it was asked for one. */
  readonly upper?: number;
  /** Once it was given; from then on nobody can change any of them. */
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
