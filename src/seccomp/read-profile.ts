/**
 * Reads `linux.seccomp` of a parsed OCI configuration, and checks every value. Pure. Used on the host, and in the guest
 * if the host sends no compiled filter.
 */
import { KumiteError } from "../util/errors.ts";
import { isRecord } from "../util/json.ts";
import {
  type Architecture,
  action,
  actions,
  architectures,
  errno,
  filterFlags,
  foreignArchitectures,
  operators,
} from "./actions.ts";
import type { Condition, SeccompProfile, SeccompRule, Wide } from "./profile.ts";

const where = "linux.seccomp";
/** The kernel's MAX_ERRNO. */
const maxErrno = 4095;
const maxData = 0xffff;
const maxArgument = 5;

/** @throws KumiteError `oci/spec-invalid`, `oci/unsupported`; both name the key */
export function readProfile(document: unknown): SeccompProfile {
  const fields = record(document, where);
  refuseNotification(fields);
  const defaultErrno = fields.defaultErrnoRet;
  const defaultAction = actionOf(fields.defaultAction, `${where}.defaultAction`, defaultErrno, "defaultErrnoRet");
  return {
    defaultAction,
    refusesUnknown: !isPermissive(defaultAction) && defaultErrno !== errno.noSuchCall,
    architectures: architecturesOf(list(fields.architectures, `${where}.architectures`)),
    flags: flagsOf(fields.flags),
    rules: list(fields.syscalls, `${where}.syscalls`).flatMap((item, index) =>
      rulesOf(item, `${where}.syscalls[${index}]`),
    ),
  };
}

/** With SCMP_ACT_TRACE, the tracer sees new calls and can handle them. */
function isPermissive(value: number): boolean {
  const kind = (value & 0x7fff_0000) >>> 0;
  return value < action.killProcess && (kind === action.allow || kind === action.log || kind === action.trace);
}

function refuseNotification(fields: Record<string, unknown>): void {
  for (const name of ["listenerPath", "listenerMetadata"]) {
    if (given(fields[name]) && fields[name] !== "") throw noListener(`${where}.${name}`);
  }
}

function noListener(key: string): KumiteError {
  return new KumiteError("oci/unsupported", `${key} is not supported: a listener on the host cannot reach into a VM`, {
    hint: "use a profile without SCMP_ACT_NOTIFY, or run this container with another runtime",
    data: { key },
  });
}

function actionOf(name: unknown, key: string, data: unknown, dataName: string): number {
  if (name === "SCMP_ACT_NOTIFY") throw noListener(key);
  const value = named(actions, name, key, "action");
  if (value !== action.errno && value !== action.trace) return value;
  const most = value === action.errno ? maxErrno : maxData;
  const dataKey = `${key.slice(0, key.lastIndexOf("."))}.${dataName}`;
  return (value | (given(data) ? integer(data, dataKey, most) : errno.notPermitted)) >>> 0;
}

/** Always includes the VM's own architecture, as in libseccomp. */
function architecturesOf(names: readonly unknown[]): Architecture[] {
  const found = new Set<Architecture>(["x86_64"]);
  names.forEach((name, index) => {
    if (typeof name === "string" && foreignArchitectures.includes(name)) return;
    found.add(named(architectures, name, `${where}.architectures[${index}]`, "architecture"));
  });
  return [...found];
}

/** Without a list, speculation stays allowed, as in runc: the kernel's mitigation would slow down every program. */
function flagsOf(value: unknown): number {
  if (!given(value)) return filterFlags.SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  return list(value, `${where}.flags`).reduce<number>((flags, name, index) => {
    const key = `${where}.flags[${index}]`;
    if (name === "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") throw noListener(key);
    return flags | named(filterFlags, name, key, "flag");
  }, 0);
}

function rulesOf(item: unknown, key: string): SeccompRule[] {
  const fields = record(item, key);
  const names = list(fields.names, `${key}.names`).map((name, index) => text(name, `${key}.names[${index}]`));
  const value = actionOf(fields.action, `${key}.action`, fields.errnoRet, "errnoRet");
  const conditions = list(fields.args, `${key}.args`).map((arg, index) => conditionOf(arg, `${key}.args[${index}]`));
  const different = new Set(conditions.map(({ argument }) => argument)).size === conditions.length;
  if (different) return [{ names, action: value, conditions }];
  // runc and crun treat several conditions on one argument as alternatives, and profiles rely on that.
  return conditions.map((condition) => ({ names, action: value, conditions: [condition] }));
}

function conditionOf(item: unknown, key: string): Condition {
  const fields = record(item, key);
  const operator = named(operators, fields.op, `${key}.op`, "operator");
  const argument = integer(fields.index, `${key}.index`, maxArgument);
  const value = wide(fields.value, `${key}.value`);
  if (operator !== "masked ==") return { argument, operator, value, mask: undefined };
  return { argument, operator, value: wide(fields.valueTwo, `${key}.valueTwo`), mask: value };
}

/** A double beyond the range becomes the largest value, which is the nearest. */
function wide(value: unknown, key: string): Wide {
  if (!given(value)) return { high: 0, low: 0 };
  // A value that does not fit into a double is a string of digits, or comes from a message.
  const exact = typeof value === "string" && /^\d{1,20}$/.test(value) ? BigInt(value) : value;
  if (typeof exact === "bigint" && exact >= 0n && exact < 2n ** 64n) {
    return { high: Number(exact >> 32n), low: Number(exact & 0xffff_ffffn) };
  }
  const number = integer(value, key, 2 ** 64);
  if (number === 2 ** 64) return { high: 0xffff_ffff, low: 0xffff_ffff };
  return { high: Math.floor(number / 2 ** 32), low: number % 2 ** 32 };
}

function named<T>(known: Readonly<Record<string, T>>, name: unknown, key: string, what: string): T {
  const value = typeof name === "string" && Object.hasOwn(known, name) ? known[name] : undefined;
  if (value !== undefined) return value;
  throw wrong(
    key,
    `is not a known ${what}: ${JSON.stringify(name) ?? "nothing"} (known: ${Object.keys(known).join(", ")})`,
  );
}

function given(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function record(value: unknown, key: string): Record<string, unknown> {
  if (!isRecord(value)) throw wrong(key, "must be an object");
  return value;
}

function list(value: unknown, key: string): readonly unknown[] {
  if (!given(value)) return [];
  if (!Array.isArray(value)) throw wrong(key, "must be an array");
  return value;
}

function text(value: unknown, key: string): string {
  if (typeof value !== "string" || value === "") throw wrong(key, "must be the name of a system call");
  return value;
}

function integer(value: unknown, key: string, most: number): number {
  const isWhole = typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= most;
  if (!isWhole) throw wrong(key, `must be an integer from 0 to ${most}`);
  return value;
}

function wrong(key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${key} ${what}`, { data: { key } });
}
