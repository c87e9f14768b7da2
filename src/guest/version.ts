/** What the agent says of itself. */

/** Replaced at build time; a build that does not say is one of a developer. */
declare const KUMITE_VERSION: string | undefined;

export const agentVersion: string = typeof KUMITE_VERSION === "string" ? KUMITE_VERSION : "0.0.0-dev";

/** Of the agent protocol that is spoken: the layout of Kata 3.x. */
export const protocolVersion = "0.0.1";
