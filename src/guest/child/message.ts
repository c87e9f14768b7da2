/**
 * What a new process and the agent say to each other over their socket until the program runs.
 * The process speaks in JSON, one message per packet; the agent answers those for which it waits with a single byte. When the
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
  try {
    value = JSON.parse(decodeUtf8(bytes));
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
    case "failed": {
      const code = errorCodes.find((known) => known === value.code);
      if (code === undefined || typeof value.message !== "string") return undefined;
      return { kind: "failed", code, message: value.message };
    }
    default:
      return undefined;
  }
}
