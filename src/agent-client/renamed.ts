/**
 * An agent that knows a container by another name than the host does: that of the container whose copy it has in memory.
 * Callers use the host's name.
 */
import type { AgentClient } from "./agent-client.ts";

export interface ContainerName {
  readonly onHost: string;
  readonly inGuest: string;
}

export function renamedAgent(agent: AgentClient, { onHost, inGuest }: ContainerName): AgentClient {
  const calls = Object.entries(agent).map(([name, member]) => {
    if (typeof member !== "function" || localMembers.has(name)) return [name, member] as const;
    const call = member as (request: object, options?: object) => Promise<object>;
    const renamed = async (request: object, options?: object): Promise<object> =>
      named(await call(named(request, onHost, inGuest), options), inGuest, onHost);
    return [name, renamed] as const;
  });
  return Object.fromEntries(calls) as unknown as AgentClient;
}

/** What is no call of the agent's. */
const localMembers: ReadonlySet<string> = new Set(["dial", "specFields", "processFields", "resourcesFields", "close"]);

/** A container's own process has its name too. */
function named(message: object, from: string, to: string): object {
  const { containerId, execId } = message as { readonly containerId?: string; readonly execId?: string };
  return {
    ...message,
    ...(containerId === from && { containerId: to }),
    ...(execId === from && { execId: to }),
  };
}
