/** Limits of calls to the agent that set none of their own. */

/** As in the agent protocol. */
export const requestTimeoutMs = 60_000;

/** A decoded answer can take a hundred times its size, so a hostile guest may send no more than the call needs. */
export const maxAnswerBytes = 64 * 1024;
