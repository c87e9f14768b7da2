/**
 * An agent that knows a container by another name than the host does: its memory is a copy of a VM in which the
 * container had that name. Callers use the host's name.
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

/** Members that are not calls of the agent. */
const localMembers: ReadonlySet<string> = new Set(["dial", "specFields", "processFields", "resourcesFields", "close"]);

/** The exec id of a container's own process is the container's name, too. */
function named(message: object, from: string, to: string): object {
  const { containerId, execId } = message as { readonly containerId?: string; readonly execId?: string };
  return {
    ...message,
    ...(containerId === from && { containerId: to }),
    ...(execId === from && { execId: to }),
  };
}
