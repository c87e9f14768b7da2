/** What a handler may know of the call that it answers, beyond the request. */

/** One client. Compare by identity, e.g. as the key of a WeakMap. */
export interface ClientConnection {
  /** Aborts when the connection is lost or closed; the reason is a KumiteError. */
  readonly signal: AbortSignal;
  /** Ends the connection at once; calls that are not answered never will be. */
  close(): void;
}

export interface CallContext {
  /** Aborts when the caller's time is over or the connection is lost: nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  readonly connection: ClientConnection;
  /** The last value of each key. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Resolves when the answer was written, or never can be. For what must follow an answer, such as shutting down. */
  readonly answered: Promise<void>;
}
