/** What a handler can learn about the call that it answers, besides the request. */

/** One client. Compare by identity, for example as the key of a WeakMap. */
export interface ClientConnection {
  /** Aborts when the connection is lost or closed; the reason is a KumiteError. */
  readonly signal: AbortSignal;
  /** Ends the connection at once. Calls that have not been answered never will be. */
  close(): void;
}

export interface CallContext {
  /** Aborts when the caller's deadline has passed or the connection is lost: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly connection: ClientConnection;
  /** By key; if a key occurs several times, its last value. */
  readonly metadata: ReadonlyMap<string, string>;
  /**
   * Resolves when the answer has been written or cannot be written any more. For work that must follow the answer, such
   * as shutting down.
   */
  readonly answered: Promise<void>;
}
