/**
 * What callers may know about a container: bundle, status, exit status. The record is a hint, not the truth: readers
 * correct one that says "running" after its shim has died (`sandbox/observe.ts`). Only the journal's owner writes it.
 */
import type { Os, ProcessId } from "../sys/os.ts";
import { isRecord } from "../util/json.ts";
import { corruptFile, readVersioned, serializeVersioned } from "./versioned-file.ts";

const phase = "state.read";

export type RecordedStatus =
  | { readonly phase: "creating" }
  | { readonly phase: "created" }
  | { readonly phase: "running" | "paused"; readonly startedMs: number }
  | { readonly phase: "stopped"; readonly exitStatus: number; readonly exitedMs: number };

/** Times are in milliseconds since 1970. */
export interface ContainerRecord {
  readonly id: string;
  /** Absolute path. */
  readonly bundle: string;
  /** Absolute path. */
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
  readonly createdMs: number;
  readonly status: RecordedStatus;
  /** `linux.resources` of the specification, with all updates applied. */
  readonly resources?: object;
  /** The process that engines wait for. */
  readonly relay?: ProcessId;
  /** The end of each phase of the create, in milliseconds since the shim was started. */
  readonly timeline: Readonly<Record<string, number>>;
  /** What went wrong with the sandbox itself, if anything did. */
  readonly failure?: string;
  /** Made by the library. Only the calling program can ask for its exit status, so the record does not outlive that. */
  readonly ofProgram?: true;
}

export async function writeRecord(os: Os, file: string, record: ContainerRecord): Promise<void> {
  await os.files.replace(file, serializeRecord(record));
}

export function serializeRecord(record: ContainerRecord): string {
  return serializeVersioned(record);
}

/** `undefined` if there is none. @throws KumiteError `journal/corrupt` if it cannot be read */
export async function readRecord(os: Os, file: string): Promise<ContainerRecord | undefined> {
  const document = await readVersioned(os, file, phase);
  if (document === undefined || isContainerRecord(document)) return document;
  throw corruptFile(file, phase, "a field is missing or of the wrong type");
}

function isContainerRecord(value: Record<string, unknown>): value is Record<string, unknown> & ContainerRecord {
  const texts = [value.id, value.bundle, value.rootfs].every((text) => typeof text === "string");
  const maps = [value.annotations, value.timeline].every(isRecord);
  const relay = value.relay === undefined || isRecord(value.relay);
  const failure = value.failure === undefined || typeof value.failure === "string";
  const ofProgram = value.ofProgram === undefined || value.ofProgram === true;
  return (
    texts && maps && relay && failure && ofProgram && typeof value.createdMs === "number" && isStatus(value.status)
  );
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
