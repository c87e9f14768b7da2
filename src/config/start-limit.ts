/** How long the start of a VM may take on a busy host, where the limit for the guest's answer is extended. */
import type { Config } from "./config.ts";

/** `dial_timeout` becomes at most this many times as long. A guest that hangs on a busy host must be given up, too. */
export const mostExtended = 6;

/** For all other phases of a start together, each of which has a limit of its own. */
const otherPhasesMs = 180_000;

export function longestStartMs({ agent }: Pick<Config, "agent">): number {
  return otherPhasesMs + mostExtended * agent.dialTimeoutMs;
}
