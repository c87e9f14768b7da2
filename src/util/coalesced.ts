/** Repeated writing of changing content: one write at a time; calls during a write share the next one. */

/**
 * @param write writes the content as it is at the time of the call
 * @returns a function whose result resolves when everything up to its call is written
 */
export function coalesced(write: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;
  return () => {
    // The failure of the running write is reported to its own callers and does not stop the next write.
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
