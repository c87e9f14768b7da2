/**
 * What a new process and the agent say to each other over their socket until the program runs.
 * The process speaks in JSON, one message per packet (src/sys/native/birth.c writes some of them, too); the agent answers those for which it waits with a single byte. When the
 * program has been executed, or the process has died, the socket ends.
 */
import { type ErrorCode, errorCodes } from "../../util/errors.ts";
import { isRecord } from "../../util/json.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";

export type ChildMessage =
  /** With the master of the terminal as its descriptor. */
  | { readonly kind: "terminal" }
  /** It has made its user namespace, and waits for the maps of ids. */
  | { readonly kind: "unmapped" }
  /** It has its mounts, and waits before it enters its root file system. */
  | { readonly kind: "mounted" }
  /** Everything is prepared; the process waits to be let go. */
  | { readonly kind: "ready" }
  /** A step could not be done in the usual way: the process ends, another one has to be set up by the agent's own code. */
  | { readonly kind: "unusual"; readonly step: number; readonly errno: number }
  /** By steps: the program was not executed, or could not have its filter. With the file after a NUL. */
  | { readonly kind: "refused"; readonly call: string; readonly errno: number; readonly path: string }
  /** The process is about to end. */
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** Longest message in bytes; a failure's text is cut to fit. */
export const maxMessageBytes = 8192;
const maxTextLength = 2000;

export function encodeChildMessage(message: ChildMessage): Uint8Array {
  if (message.kind !== "failed") return encodeUtf8(JSON.stringify(message));
  return encodeUtf8(JSON.stringify({ ...message, message: message.message.slice(0, maxTextLength) }));
}

/** `undefined` for anything that is no message: the process was ours, but it may have been tampered with. */
export function decodeChildMessage(bytes: Uint8Array): ChildMessage | undefined {
  let value: unknown;
  const end = bytes.indexOf(0);
  try {
    value = JSON.parse(decodeUtf8(end < 0 ? bytes : bytes.subarray(0, end)));
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  switch (value.kind) {
    case "terminal":
    case "unmapped":
    case "mounted":
    case "ready":
      return { kind: value.kind };
    case "unusual":
      return { kind: "unusual", step: Number(value.step), errno: Number(value.errno) };
    case "refused": {
      const path = decodeUtf8(bytes.subarray(end + 1));
      return { kind: "refused", call: String(value.call), errno: Number(value.errno), path };
    }
    case "failed": {
      const code = errorCodes.find((known) => known === value.code);
      if (code === undefined || typeof value.message !== "string") return undefined;
      return { kind: "failed", code, message: value.message };
    }
    default:
      return undefined;
  }
}
