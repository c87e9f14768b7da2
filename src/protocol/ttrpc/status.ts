/**
 * Errors across a connection: any error becomes a status, and a status becomes a `TtrpcError`. A KumiteError is sent
 * completely, as JSON in the details of the status, which other implementations ignore. Received details are checked
 * and cleaned, since they may come from a guest.
 */
import {
  type ErrorCode,
  type ErrorDetail,
  errorCodes,
  isKumiteError,
  KumiteError,
  messageOf,
} from "../../util/errors.ts";
import { decodeUtf8, encodeUtf8, oneLine, stripControls } from "../../util/text.ts";
import type { Status } from "../gen/google/rpc/status.ts";
import { type GrpcCode, grpcCode, grpcCodeOf } from "./grpc-code.ts";

/** The peer answered with an error. Failures of the connection itself are KumiteErrors. */
export class TtrpcError extends Error {
  override readonly name = "TtrpcError";
  readonly code: GrpcCode;
  /** The peer's own error, if it sent a KumiteError. */
  readonly remote: KumiteError | undefined;

  constructor(code: GrpcCode, message: string, remote?: KumiteError) {
    super(message);
    this.code = code;
    this.remote = remote;
  }
}

export function isTtrpcError(error: unknown, ...codes: GrpcCode[]): error is TtrpcError {
  return error instanceof TtrpcError && (codes.length === 0 || codes.includes(error.code));
}

/** The gRPC code that an error has, or would have on the wire. */
function grpcCodeForError(error: unknown): GrpcCode {
  if (error instanceof TtrpcError) return error.code;
  if (error instanceof KumiteError) return grpcCodes[error.code] ?? grpcCode.unknown;
  return grpcCode.unknown;
}

export function statusOfError(error: unknown): Status {
  const kumite = error instanceof TtrpcError ? error.remote : isKumiteError(error) ? error : undefined;
  return {
    code: grpcCodeForError(error),
    message: messageOf(error).slice(0, maxMessageLength),
    details: kumite === undefined ? [] : [{ typeUrl: detailType, value: encodeDetail(kumite) }],
  };
}

export function errorOfStatus(status: Status): TtrpcError {
  const detail = status.details.find(({ typeUrl, value }) => typeUrl === detailType && value.length <= maxDetailLength);
  const remote = detail && decodeDetail(detail.value);
  return new TtrpcError(grpcCodeOf(status.code), cleanMessage(status.message), remote);
}

/**
 * The error to pass on to the caller's caller: the peer's own KumiteError if it sent one, else a KumiteError with the
 * given code. Errors of the connection are returned unchanged.
 */
export function unwrapRemote(error: unknown, otherwise: ErrorCode, detail: ErrorDetail = {}): unknown {
  if (!(error instanceof TtrpcError)) return error;
  return error.remote ?? new KumiteError(otherwise, error.message, detail);
}

const detailType = "types.kumite/error";

/** Longest encoded error detail, in bytes; enough for some lines of a console. */
const maxDetailLength = 64 * 1024;

/** Longest error message, in characters. */
const maxMessageLength = 4096;

/** Codes that are not listed become `unknown`, which engines expect for ordinary failures. */
const grpcCodes: { readonly [Code in ErrorCode]?: GrpcCode } = {
  "usage/invalid": grpcCode.invalidArgument,
  "oci/bundle-invalid": grpcCode.invalidArgument,
  "oci/spec-invalid": grpcCode.invalidArgument,
  "oci/unsupported": grpcCode.unimplemented,
  "container/not-found": grpcCode.notFound,
  "container/exists": grpcCode.alreadyExists,
  "container/wrong-state": grpcCode.failedPrecondition,
  "container/bad-id": grpcCode.invalidArgument,
  "process/not-found": grpcCode.notFound,
  "process/exists": grpcCode.alreadyExists,
  "config/invalid": grpcCode.invalidArgument,
  "hypervisor/unsupported": grpcCode.unimplemented,
  "agent/denied": grpcCode.permissionDenied,
  "agent/timeout": grpcCode.deadlineExceeded,
  aborted: grpcCode.cancelled,
  timeout: grpcCode.deadlineExceeded,
};

/** A KumiteError with its causes, as JSON on one line of at most 64 KiB. Also used by channels other than ttrpc. */
export function encodeDetail(error: KumiteError): Uint8Array {
  const because = causes(error);
  const whole = {
    code: error.code,
    message: error.message.slice(0, maxMessageLength),
    phase: error.phase,
    hint: error.hint,
    because,
  };
  const full = encodeUtf8(JSON.stringify({ ...whole, data: error.data }, plain));
  return full.length <= maxDetailLength ? full : encodeUtf8(JSON.stringify(whole));
}

/** The messages of the causes, nearest first. */
function causes(error: Error): string[] {
  const messages: string[] = [];
  for (let cause = error.cause; cause !== undefined && messages.length < 8; ) {
    messages.push(messageOf(cause).slice(0, maxMessageLength));
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return messages;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? value.toString() : value;
}

/** `undefined` for anything that `encodeDetail` would not produce. */
export function decodeDetail(bytes: Uint8Array): KumiteError | undefined {
  let detail: unknown;
  try {
    detail = JSON.parse(decodeUtf8(bytes), (_key, value) => (typeof value === "string" ? cleanMessage(value) : value));
  } catch {
    return undefined;
  }
  if (!isRecord(detail) || typeof detail.message !== "string" || !isErrorCode(detail.code)) return undefined;
  const { phase, hint, data, because } = detail;
  const messages = Array.isArray(because) ? because.filter((message) => typeof message === "string") : [];
  const cause = messages.reduceRight<Error | undefined>(
    (inner, message) => new Error(message, { cause: inner }),
    undefined,
  );
  return new KumiteError(detail.code, detail.message, {
    ...(typeof phase === "string" && { phase: oneLine(phase, 100) }),
    ...(typeof hint === "string" && { hint: oneLine(hint) }),
    ...(isRecord(data) && { data: flat(data) }),
    ...(cause !== undefined && { cause }),
  });
}

/**
 * Keeps only strings, numbers, booleans and lists of strings, so that the data is safe to print and to encode again.
 */
function flat(data: Record<string, unknown>): Record<string, unknown> {
  const kept = new Map<string, unknown>();
  for (const [name, value] of Object.entries(data)) {
    if (Array.isArray(value))
      kept.set(
        name,
        value.filter((item) => typeof item === "string"),
      );
    else if (["string", "number", "boolean"].includes(typeof value)) kept.set(name, value);
  }
  return Object.fromEntries(kept);
}

function cleanMessage(text: string): string {
  return stripControls(text.slice(0, maxMessageLength));
}

function isErrorCode(value: unknown): value is ErrorCode {
  return (errorCodes as readonly unknown[]).includes(value);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
