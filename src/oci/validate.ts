/** Checks a parsed document against the schema and describes the first error in one line. */
import * as v from "valibot";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { dropNulls, isRecord, JsonSyntaxError, parseJson } from "../util/json.ts";
import { quoteLongValues } from "./exact-values.ts";
import {
  type OciProcess,
  type OciResources,
  type OciSpec,
  processSchema,
  resourcesSchema,
  specSchema,
} from "./spec.ts";

/** Limited by the agent protocol: a message has at most 4 MiB and contains the document in two forms. */
const maxDocumentBytes = 1024 * 1024;

const phase = "bundle.load";
const hint = "`kumite spec` writes a correct config.json to compare with";

/** `file` is for errors only. @throws KumiteError `oci/spec-invalid`, naming file and key */
export function validateSpec(document: unknown, file: string): OciSpec {
  if (isRecord(document)) spreadCapabilities(document.process);
  checkDocument(specSchema(), document, file);
  // The schema's output contains only known keys. The document also has the keys of other versions, for the agent.
  return document as OciSpec;
}

/** Versions before 1.0.0-rc5 have one list for all sets. */
function spreadCapabilities(process: unknown): void {
  if (!isRecord(process) || !Array.isArray(process.capabilities)) return;
  const list = process.capabilities;
  process.capabilities = { bounding: list, effective: list, inheritable: list, ambient: list, permitted: list };
}

/** Like `validateSpec`, for `process` alone. */
export function validateProcess(document: unknown, file: string): OciProcess {
  spreadCapabilities(document);
  checkDocument(processSchema(), document, file);
  return document as OciProcess;
}

/** Like `validateSpec`, for `linux.resources` alone. */
export function validateResources(document: unknown, file: string): OciResources {
  checkDocument(resourcesSchema(), document, file);
  return document as OciResources;
}

/** Reads the file of `exec --process`. */
export async function loadProcess(os: Os, file: string): Promise<OciProcess> {
  const unreadableHint = "name a JSON file with an object like `process` in config.json";
  return validateProcess(await readDocument(os, file, unreadableHint), file);
}

/**
 * @param unreadableHint what to do if the file cannot be read
 * @throws KumiteError `oci/bundle-invalid` if the file cannot be read, `oci/spec-invalid` if it is not JSON
 */
export async function readDocument(os: Os, file: string, unreadableHint: string): Promise<unknown> {
  try {
    return dropNulls(parseJson(quoteLongValues(await os.files.readText(file, maxDocumentBytes))));
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw invalid(file, error.message);
    if (isSystemError(error, "EFBIG")) throw invalid(file, `the file is larger than ${maxDocumentBytes} bytes`);
    if (!isSystemError(error)) throw error;
    throw new KumiteError("oci/bundle-invalid", messageOf(error), { phase, hint: unreadableHint, data: { file } });
  }
}

/** @throws KumiteError `oci/spec-invalid`, naming file and key */
export function checkDocument(schema: v.GenericSchema, document: unknown, file: string): void {
  const result = v.safeParse(schema, document, { abortEarly: true });
  if (result.success) return;
  const issue = result.issues[0];
  const key = keyPath(issue.path);
  throw invalid(file, `${key === "" ? "the document" : key} ${fault(issue)}`, key);
}

function invalid(file: string, what: string, key?: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${file}: ${what}`, {
    phase,
    hint,
    data: { file, ...(key !== undefined && { key }) },
  });
}

/** For example `process.args[0]`. Names that are not identifiers are quoted. */
function keyPath(path: readonly { readonly key?: unknown }[] | undefined): string {
  let text = "";
  for (const { key } of path ?? []) {
    if (typeof key === "number") text += `[${key}]`;
    else if (typeof key === "string" && /^[A-Za-z_]\w*$/.test(key)) text += text === "" ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

function fault(issue: v.BaseIssue<unknown>): string {
  if (issue.input === undefined) return "is missing";
  if (issue.type === "check") {
    if (issue.message.startsWith("expected")) return `is wrong: ${issue.message}`;
    return issue.input === "" ? issue.message : `${issue.message}: ${describe(issue.input)}`;
  }
  const expected = issue.type === "custom" ? "an object" : (typeNames[issue.expected ?? ""] ?? issue.expected);
  return `is wrong: expected ${expected}, got ${describe(issue.input)}`;
}

const typeNames: Readonly<Record<string, string>> = {
  Array: "an array",
  boolean: "true or false",
  number: "a number",
  string: "a string",
};

function describe(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  if (value === null) return "null";
  if (typeof value === "object") return "an object";
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
