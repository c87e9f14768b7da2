/**
 * What is known of a container to those who ask: bundle, status, exit status. A hint, not the truth: a record that says
 * "running" after its shim died is corrected by the reader (`sandbox/observe.ts`). Written by the journal's owner only.
 */
import type { Os, ProcessId } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isRecord, JsonSyntaxError, parseJson } from "../util/json.ts";

const version = 1;
const maxBytes = 4 * 1024 * 1024;

export type RecordedStatus =
  | { readonly phase: "creating" }
  | { readonly phase: "created" }
  | { readonly phase: "running" | "paused"; readonly startedMs: number }
  | { readonly phase: "stopped"; readonly exitStatus: number; readonly exitedMs: number };

/** Times in milliseconds since 1970. */
export interface ContainerRecord {
  readonly id: string;
  /** Absolute. */
  readonly bundle: string;
  /** Absolute. */
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly status: RecordedStatus;
  /** `linux.resources` of its specification, as the last update left them. */
  readonly resources?: object;
  /** The process that engines wait for. */
  readonly relay?: ProcessId;
  /** When each phase of the create was over, in milliseconds since the shim was started. */
  readonly timeline: Readonly<Record<string, number>>;
  /** What went wrong with the sandbox itself, when something did. */
  readonly failure?: string;
}

export async function writeRecord(os: Os, file: string, record: ContainerRecord): Promise<void> {
  await os.files.replace(file, serializeRecord(record));
}

export function serializeRecord(record: ContainerRecord): string {
  return `${JSON.stringify({ version, ...record })}\n`;
}

/** `undefined` when there is none; `journal/corrupt` when it cannot be read. */
export async function readRecord(os: Os, file: string): Promise<ContainerRecord | undefined> {
  try {
    return parseRecord(await os.files.readText(file, maxBytes), file);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

function parseRecord(text: string, file: string): ContainerRecord {
  let document: unknown;
  try {
    document = parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw corrupt(file, error.message);
    throw error;
  }
  if (!isRecord(document)) throw corrupt(file, "not an object");
  if (document.version !== version) throw corrupt(file, `version ${JSON.stringify(document.version)} is not known`);
  if (!isContainerRecord(document)) throw corrupt(file, "a field is missing or of the wrong type");
  return document;
}

function isContainerRecord(value: Record<string, unknown>): value is Record<string, unknown> & ContainerRecord {
  const texts = [value.id, value.bundle, value.rootfs].every((text) => typeof text === "string");
  const maps = [value.annotations, value.timeline].every(isRecord);
  const relay = value.relay === undefined || isRecord(value.relay);
  const failure = value.failure === undefined || typeof value.failure === "string";
  return texts && maps && relay && failure && typeof value.createdMs === "number" && isStatus(value.status);
}

function isStatus(value: unknown): value is RecordedStatus {
  if (!isRecord(value)) return false;
  switch (value.phase as RecordedStatus["phase"]) {
    case "creating":
    case "created":
      return true;
    case "running":
    case "paused":
      return typeof value.startedMs === "number";
    case "stopped":
      return typeof value.exitStatus === "number" && typeof value.exitedMs === "number";
    default:
      return false;
  }
}

function corrupt(file: string, what: string): KumiteError {
  return new KumiteError("journal/corrupt", `${file}: ${what}`, {
    phase: "state.read",
    hint: "end what runs in the cgroups of the container, unmount what lies below this directory, and remove it",
    data: { file },
  });
}
