/** Repeated writing of a changing thing: one write at a time, and callers that come meanwhile share the next one. */

/**
 * @param write writes the thing as it is when it is called
 * @returns a function whose result resolves when everything up to its call is written
 */
export function coalesced(write: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    // Whoever waited for the running write was told of its failure; it does not stop the next one.
    next ??= running
      .catch(() => {})
      .then(() => {
        next = undefined;
        running = write();
        return running;
      });
    return next;
  };
}
