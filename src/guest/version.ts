/** What the agent reports about itself. */

/** Replaced at build time; undefined in a developer's build. */
declare const KUMITE_VERSION: string | undefined;

export const agentVersion: string = typeof KUMITE_VERSION === "string" ? KUMITE_VERSION : "0.0.0-dev";

/** Version of the agent protocol: the layout of Kata 3.x. */
export const protocolVersion = "0.0.1";
