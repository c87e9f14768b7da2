/** Checks of requests that several methods share. */
import { isOutOfMemory, KumiteError, messageOf } from "../../util/errors.ts";
import { parseJson } from "../../util/json.ts";
import type { Agent } from "../agent.ts";
import type { StdioPorts } from "../stdio/process-io.ts";

const firstCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const characters = `${firstCharacters}_.+-`;
const longestId = 128;

/**
 * Ids become parts of paths and of messages. A regular expression would be the only one that an emulated clone has to
 * run before its container's program, and takes it longer than this.
 */
function isId(text: string): boolean {
  if (text.length === 0 || text.length > longestId || !firstCharacters.includes(text.charAt(0))) return false;
  for (let at = 1; at < text.length; at++) if (!characters.includes(text.charAt(at))) return false;
  return true;
}

/** @throws KumiteError `container/bad-id` */
export function checkId(id: string, kind: "container" | "exec"): string {
  if (isId(id)) return id;
  throw new KumiteError("container/bad-id", `${JSON.stringify(id.slice(0, 140))} is not a valid ${kind} id`, {
    hint: "use 1 to 128 of the characters A-Z a-z 0-9 _ . + - and begin with a letter or digit",
  });
}

/** The specification as JSON; `undefined` from a host that sends only messages. */
export function jsonDocument(text: string): unknown {
  if (text === "") return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new KumiteError("oci/spec-invalid", `the specification is not JSON: ${messageOf(error)}`);
  }
}

/**
 * The same from a host that sends only messages. The code that decodes them is loaded on demand: a Kumite host sends
 * JSON, and these messages are the largest part of the protocol.
 *
 * @throws KumiteError `usage/invalid` when there is none; `oci/spec-invalid`
 */
export async function messageDocument(
  what: "spec" | "process" | "resources",
  message: Uint8Array | undefined,
): Promise<unknown> {
  if (message === undefined) throw new KumiteError("usage/invalid", `the request has no ${what}`);
  const { documents } = await import("./message-documents.ts");
  try {
    return documents[what](message);
  } catch (error) {
    if (isOutOfMemory(error)) throw error;
    throw new KumiteError("oci/spec-invalid", `the ${what} message is malformed: ${messageOf(error)}`);
  }
}

export function stdioPorts(request: { stdinPort: number; stdoutPort: number; stderrPort: number }): StdioPorts {
  return { stdin: request.stdinPort, stdout: request.stdoutPort, stderr: request.stderrPort };
}

/**
 * Refuses fields that would otherwise be ignored silently.
 * @throws KumiteError `oci/unsupported`
 */
export function refuseUsed(fields: Readonly<Record<string, boolean>>): void {
  const used = Object.keys(fields).find((name) => fields[name] === true);
  if (used !== undefined) throw new KumiteError("oci/unsupported", `${used} of the request is not supported`);
}

/** @throws KumiteError `agent/denied` under the process driver, where the kernel is the host's */
export function refuseWithoutKernel({ ownsKernel }: Agent, what: string): void {
  if (ownsKernel) return;
  throw new KumiteError("agent/denied", `this agent runs on the host's own kernel and must not ${what}`);
}
