/** The agent's methods with the protocol's request timeouts and with Kumite's errors. */
import { AgentServiceDefinition } from "../protocol/gen/kata/agent-service.ts";
import { ttrpcClient } from "../protocol/ttrpc/client.ts";
import type { CallOptions, TtrpcConnection } from "../protocol/ttrpc/connection.ts";
import { maxDataLength } from "../protocol/ttrpc/frame.ts";
import { isTtrpcError, unwrapRemote } from "../protocol/ttrpc/status.ts";
import { isKumiteError, KumiteError } from "../util/errors.ts";
import type { AgentCalls } from "./agent-client.ts";
import { maxAnswerBytes, requestTimeoutMs } from "./limits.ts";

/** Calls that return when something happens in the guest, which may be never. */
const unlimited: ReadonlySet<string> = new Set(["waitProcess", "readStdout", "readStderr", "getOOMEvent"]);
/** Calls whose answers contain data of a workload. They may be as long as ttrpc allows. */
const bulky: ReadonlySet<string> = new Set([
  "readStdout",
  "readStderr",
  "getMetrics",
  "listProcesses",
  "getDiagnosticData",
]);

export function agentCalls(connection: TtrpcConnection): AgentCalls {
  const client = ttrpcClient(AgentServiceDefinition, connection);
  const calls = Object.entries(client).map(([name, method]) => {
    const limits = {
      timeoutMs: unlimited.has(name) ? 0 : requestTimeoutMs,
      maxResponseBytes: bulky.has(name) ? maxDataLength : maxAnswerBytes,
    };
    const send = method as (request: object, options: CallOptions) => Promise<unknown>;
    const call = async (request: object, options: CallOptions = {}): Promise<unknown> => {
      try {
        return await send(request, {
          ...options,
          timeoutMs: options.timeoutMs ?? limits.timeoutMs,
          maxResponseBytes: options.maxResponseBytes ?? limits.maxResponseBytes,
        });
      } catch (error) {
        throw agentError(name, error);
      }
    };
    return [name, call] as const;
  });
  return Object.fromEntries(calls) as unknown as AgentCalls;
}

/** Keeps the agent's text: engines look for parts of it, such as "executable file not found in $PATH". */
export function agentError(method: string, error: unknown): unknown {
  const phase = `agent.${method}`;
  if (isTtrpcError(error)) return unwrapRemote(error, "agent/failed", { phase });
  if (isKumiteError(error, "timeout"))
    return new KumiteError("agent/timeout", error.message, { phase, data: error.data });
  if (isKumiteError(error, "protocol/closed", "protocol/violation")) {
    return new KumiteError("agent/unreachable", `the agent cannot be reached any more: ${error.message}`, {
      phase,
      hint: "the sandbox can no longer be used: delete its containers",
      cause: error.cause,
    });
  }
  return error;
}
