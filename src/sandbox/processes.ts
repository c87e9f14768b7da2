/** The processes of a container as the guest sees them. */
import { KumiteError } from "../util/errors.ts";
import { JsonSyntaxError, parseJson } from "../util/json.ts";
import { decodeUtf8, stripControls } from "../util/text.ts";
import { requireState } from "./container.ts";
import type { Sandbox } from "./sandbox.ts";

const callTimeoutMs = 20_000;
/** The kernel's limit. */
const mostPid = 4_194_304;

/**
 * The pids in the guest, ascending.
 *
 * @throws KumiteError `container/wrong-state`, `agent/failed` for an invalid answer
 */
export async function processIds(sandbox: Sandbox, id: string): Promise<number[]> {
  const text = await ask(sandbox, id, "json", []);
  const pids = parsed(text);
  if (Array.isArray(pids) && pids.every(isPid)) return pids;
  throw new KumiteError("agent/failed", `the guest sent no valid list of the processes of container ${id}`);
}

/**
 * The output that ps(1) would show in the guest.
 *
 * @param psArguments `-ef` if empty
 * @throws KumiteError also `usage/invalid` for unsupported arguments
 */
export async function processTable(sandbox: Sandbox, id: string, psArguments: readonly string[]): Promise<string> {
  const text = await ask(sandbox, id, "table", psArguments);
  // The guest controls this text, which ends up on somebody's terminal.
  return text.split("\n").map(stripControls).join("\n");
}

async function ask(sandbox: Sandbox, id: string, format: string, args: readonly string[]): Promise<string> {
  requireState(sandbox, sandbox.container(id), "ps");
  const { agent } = sandbox.running().vm;
  const request = { containerId: id, format, args: [...args] };
  return decodeUtf8((await agent.listProcesses(request, { timeoutMs: callTimeoutMs })).processList);
}

function parsed(text: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

function isPid(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= mostPid;
}
