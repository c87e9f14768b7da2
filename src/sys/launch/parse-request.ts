/** Checks that a document is a valid launch request. */
import { isRecord, parseJson } from "../../util/json.ts";
import type { Descriptor, TreeEntry } from "../os.ts";
import type { LaunchDescriptor, LaunchRequest } from "./request.ts";

/** Why a request was refused; the message names the member. */
export class BadRequest extends Error {
  override readonly name = "BadRequest";
}

export function parseLaunchRequest(text: string): LaunchRequest {
  return parsed(record(parseJson(text), "request"), "", launchMembers, [
    ...required,
    "status",
  ]) as unknown as LaunchRequest;
}

type Parse = (value: unknown, where: string) => unknown;
type Members = Readonly<Record<string, Parse>>;

function parsed(document: Record<string, unknown>, where: string, members: Members, needed: readonly string[]) {
  const known = Object.keys(members);
  const unknown = Object.keys(document).find((key) => !known.includes(key));
  if (unknown !== undefined) throw new BadRequest(`${where}${unknown}: no such member`);
  const request: Record<string, unknown> = {};
  for (const key of known) {
    const value = document[key];
    if (value !== undefined) request[key] = members[key]?.(value, `${where}${key}`);
    else if (needed.includes(key)) throw new BadRequest(`${where}${key}: missing`);
  }
  return request;
}

const required: readonly string[] = ["path", "argv", "descriptors"];

const members: Members = {
  path: absolutePath,
  argv: (value, where) => nonEmpty(texts(value, where), where),
  env: (value, where) => mapped(value, where, text),
  cwd: absolutePath,
  descriptors: (value, where) => mapped(value, where, descriptor),
  cgroups: (value, where) => array(value, where).map((item, i) => absolutePath(item, `${where}[${i}]`)),
  networkNamespace: (value, where) =>
    value === "new" ? value : { path: absolutePath(record(value, where).path, `${where}.path`) },
  parentDeathSignal: integer,
  newSession: boolean,
  noNewPrivileges: boolean,
  smallPages: boolean,
  rightsAsAnyUser: boolean,
  capabilities: (value, where) => array(value, where).map((item, i) => integer(item, `${where}[${i}]`)),
  ownUser: (value, where) => ({ group: integer(record(value, where).group, `${where}.group`) }),
  tree: (value, where) => {
    const { over, entries } = record(value, where);
    return {
      over: absolutePath(over, `${where}.over`),
      entries: array(entries, `${where}.entries`).map((item, i) => treeEntry(item, `${where}.entries[${i}]`)),
    };
  },
};

const launchMembers: Members = {
  ...members,
  status: integer,
  parentPid: integer,
  companions: (value, where) => {
    const { at, requests } = record(value, where);
    return {
      at: integer(at, `${where}.at`),
      requests: array(requests, `${where}.requests`).map((item, i) => companion(item, `${where}.requests[${i}]`)),
    };
  },
};

/** A companion is a whole `SpawnRequest`, including streams and an environment. */
function companion(value: unknown, where: string): Record<string, unknown> {
  const descriptors: Parse = (all, at) =>
    mapped(all, at, (item, place) =>
      isRecord(item) && item.kind === "stream" ? stream(item, place) : descriptor(item, place),
    );
  return parsed(record(value, where), `${where}.`, { ...members, descriptors }, [...required, "env"]);
}

function stream({ said }: Record<string, unknown>, where: string): Descriptor {
  return said === undefined ? { kind: "stream" } : { kind: "stream", said: text(said, `${where}.said`) };
}

function descriptor(value: unknown, where: string): LaunchDescriptor {
  const { kind, ...rest } = record(value, where);
  switch (kind) {
    case "null":
      return { kind };
    case "inherit":
      return { kind, fd: integer(rest.fd, `${where}.fd`) };
    case "listen":
    case "append":
      return {
        kind,
        path: absolutePath(rest.path, `${where}.path`),
        mode: integer(rest.mode, `${where}.mode`),
      };
    case "read":
    case "readWrite":
      return {
        kind,
        path: absolutePath(rest.path, `${where}.path`),
        ...(rest.direct !== undefined && { direct: boolean(rest.direct, `${where}.direct`) }),
      };
    case "connect":
      return { kind, path: absolutePath(rest.path, `${where}.path`) };
    case "tap":
      return { kind, path: text(rest.path, `${where}.path`) };
    default:
      throw new BadRequest(`${where}.kind: expected null, inherit, listen, append, read, readWrite, connect or tap`);
  }
}

function treeEntry(value: unknown, where: string): TreeEntry {
  const { kind, ...rest } = record(value, where);
  const path = absolutePath(rest.path, `${where}.path`);
  switch (kind) {
    case "directory":
    case "file":
    case "device":
      return { kind, path, readOnly: boolean(rest.readOnly, `${where}.readOnly`) };
    case "link":
      return { kind, path, target: text(rest.target, `${where}.target`) };
    case "proc":
      return { kind, path };
    default:
      throw new BadRequest(`${where}.kind: expected directory, file, device, link or proc`);
  }
}

function record(value: unknown, where: string): Record<string, unknown> {
  if (!isRecord(value)) throw new BadRequest(`${where}: expected an object`);
  return value;
}

function mapped<T>(value: unknown, where: string, item: (value: unknown, where: string) => T): Record<string, T> {
  return Object.fromEntries(
    Object.entries(record(value, where)).map(([key, member]) => [key, item(member, `${where}.${key}`)]),
  );
}

function array(value: unknown, where: string): unknown[] {
  if (!Array.isArray(value)) throw new BadRequest(`${where}: expected an array`);
  return value;
}

function texts(value: unknown, where: string): string[] {
  return array(value, where).map((item, i) => text(item, `${where}[${i}]`));
}

function nonEmpty<T>(items: T[], where: string): T[] {
  if (items.length === 0) throw new BadRequest(`${where}: must not be empty`);
  return items;
}

function text(value: unknown, where: string): string {
  if (typeof value !== "string") throw new BadRequest(`${where}: expected a string`);
  return value;
}

function absolutePath(value: unknown, where: string): string {
  const path = text(value, where);
  if (!path.startsWith("/")) throw new BadRequest(`${where}: expected an absolute path`);
  return path;
}

function integer(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > 0x7fffffff)
    throw new BadRequest(`${where}: expected an integer that is not negative`);
  return value;
}

function boolean(value: unknown, where: string): boolean {
  if (typeof value !== "boolean") throw new BadRequest(`${where}: expected true or false`);
  return value;
}
