/**
 * The messages between a new process and the agent, over their socket, until the program runs.
 * The process sends JSON, one message per packet (some come from src/sys/native/birth.c). When it waits, the agent
 * answers with a single byte. The socket ends when the program has been executed or the process has died.
 */
import { type ErrorCode, errorCodes } from "../../util/errors.ts";
import { isRecord } from "../../util/json.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";

export type ChildMessage =
  /** Carries the terminal's master as its descriptor. */
  | { readonly kind: "terminal" }
  /** The process has created its user namespace and waits for the id maps. */
  | { readonly kind: "unmapped" }
  /** The process has made its mounts and waits before it enters its root file system. */
  | { readonly kind: "mounted" }
  /** Everything is prepared; the process waits for the start. */
  | { readonly kind: "ready" }
  /** A step of the list failed. The process ends, and another one must be set up by the agent's own code. */
  | { readonly kind: "unusual"; readonly step: number; readonly errno: number }
  /**
   * From a process set up by steps: the program could not be executed, or its filter not be set. The path follows after
   * a NUL.
   */
  | { readonly kind: "refused"; readonly call: string; readonly errno: number; readonly path: string }
  /** The process is about to end. */
  | { readonly kind: "failed"; readonly code: ErrorCode; readonly message: string };

/** Longest message in bytes; the text of a failure is cut to fit. */
export const maxMessageBytes = 8192;
const maxTextLength = 2000;

export function encodeChildMessage(message: ChildMessage): Uint8Array {
  if (message.kind !== "failed") return encodeUtf8(JSON.stringify(message));
  return encodeUtf8(JSON.stringify({ ...message, message: message.message.slice(0, maxTextLength) }));
}

/**
 * `undefined` for anything that is not a message. The process was forked from the agent, but may have been tampered
 * with.
 */
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
