/** Checks that a line is a valid request to the helper. */
import { isRecord, parseJson } from "../../util/json.ts";
import type { MountRequest, ProcessId } from "../os.ts";
import type { HelperCall, HelperRequest } from "./protocol.ts";

/** Why a request was refused; the message names the member. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

export function parseHelperRequest(line: string): HelperRequest {
  const document = record(parseJson(line), "request");
  return { id: whole(document.id, "id"), ...parseCall(document) };
}

function parseCall(document: Record<string, unknown>): HelperCall {
  const { kind } = document;
  switch (kind) {
    case "mount":
      return { kind, request: mountRequest(record(document.request, "request")) };
    case "unmount":
      return { kind, target: text(document.target, "target"), lazy: boolean(document.lazy, "lazy") };
    case "lock":
      return { kind, path: text(document.path, "path") };
    case "unlock":
      return { kind, handle: whole(document.handle, "handle") };
    case "signal":
      return { kind, process: processId(document.process), signal: whole(document.signal, "signal") };
    case "waitGone":
      return { kind, process: processId(document.process) };
    case "cancel":
      return { kind, request: whole(document.request, "request") };
    default:
      throw new BadRequest(`kind: ${JSON.stringify(kind)} is not a known kind`);
  }
}

function mountRequest(from: Record<string, unknown>): MountRequest {
  if (!Array.isArray(from.flags)) throw new BadRequest("request.flags: expected an array");
  return {
    target: text(from.target, "request.target"),
    flags: from.flags.map((flag, i) => text(flag, `request.flags[${i}]`)),
    ...optional("source", from.source),
    ...optional("sourceBeneath", from.sourceBeneath),
    ...optional("type", from.type),
    ...optional("data", from.data),
    ...optional("beneath", from.beneath),
  };
}

function optional<K extends string>(key: K, value: unknown): { readonly [key in K]?: string } {
  if (value === undefined) return {};
  return { [key]: text(value, `request.${key}`) } as { readonly [key in K]?: string };
}

function processId(value: unknown): ProcessId {
  const { pid, startTicks } = record(value, "process");
  return { pid: whole(pid, "process.pid"), startTicks: whole(startTicks, "process.startTicks") };
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (!isRecord(value)) throw new BadRequest(`${where}: expected an object`);
  return value;
}

function text(value: unknown, where: string): string {
  if (typeof value !== "string") throw new BadRequest(`${where}: expected a string`);
  return value;
}

function whole(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new BadRequest(`${where}: expected an integer that is not negative`);
  return value;
}

function boolean(value: unknown, where: string): boolean {
  if (typeof value !== "boolean") throw new BadRequest(`${where}: expected true or false`);
  return value;
}
