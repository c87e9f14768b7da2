/**
 * The one line that a shim or relay writes to its starter, on an inherited stream: `{"ready":true}` or
 * `{"error":{...}}`. Both ends are here.
 */
import { decodeDetail, encodeDetail } from "../protocol/ttrpc/status.ts";
import type { ByteStream } from "../sys/os.ts";
import { ByteReader } from "../util/byte-reader.ts";
import { isKumiteError, KumiteError, messageOf, SystemError } from "../util/errors.ts";
import { withHostHint } from "../util/host-hint.ts";
import { isRecord } from "../util/json.ts";
import { decodeUtf8, encodeUtf8, oneLine } from "../util/text.ts";

/** Longest line, in bytes: an encoded error and its wrapping. */
const maxLineBytes = 65 * 1024;

export function readyLine(): Uint8Array {
  return encodeUtf8('{"ready":true}\n');
}

/** Accepts any error. One that is not a KumiteError becomes `system/failed` or `internal`. */
export function failureLine(error: unknown): Uint8Array {
  return encodeUtf8(`{"error":${decodeUtf8(encodeDetail(asKumiteError(withHostHint(error))))}}\n`);
}

/**
 * Resolves when the process reports that it is ready, and fails with the error that it reports otherwise. `undefined`
 * if it ended without a message; the caller then has to find out why.
 */
export async function awaitReady(stream: ByteStream, signal?: AbortSignal): Promise<"ready" | undefined> {
  const line = await readLine(new ByteReader(stream), signal);
  if (line === undefined) return undefined;
  const message = parse(line);
  if (isRecord(message) && message.ready === true) return "ready";
  throw failureIn(message) ?? new KumiteError("protocol/violation", `"${oneLine(line, 100)}" is not a boot message`);
}

/** The error in a parsed message; `undefined` if it has none. */
export function failureIn(message: unknown): KumiteError | undefined {
  return isRecord(message) ? decodeDetail(encodeUtf8(JSON.stringify(message.error ?? null))) : undefined;
}

/** A process that dies may reset its end of the stream instead of closing it. */
async function readLine(reader: ByteReader, signal?: AbortSignal): Promise<string | undefined> {
  try {
    return await reader.readLine(maxLineBytes, signal);
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function asKumiteError(error: unknown): KumiteError {
  if (isKumiteError(error)) return error;
  const code = error instanceof SystemError ? "system/failed" : "internal";
  const cause = error instanceof Error ? error.cause : undefined;
  return new KumiteError(code, messageOf(error), cause === undefined ? {} : { cause });
}
