/**
 * Waiting in tests: for a fact to become true, with a deadline. No test sleeps for a fixed time.
 */
import { setTimeout as delay } from "node:timers/promises";

const pollMs = 25;

/** Resolves with the first value of `probe` that is not `undefined`; rejects after `timeoutMs`, naming `what`. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 60_000,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(pollMs);
  }
}

/** Rejects when the promise is not settled within `timeoutMs`. */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  const controller = new AbortController();
  const limit = delay(timeoutMs, undefined, { signal: controller.signal }).then(
    () => Promise.reject(new Error(`${what}: not within ${timeoutMs} ms`)),
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([promise, limit]);
  } finally {
    controller.abort();
  }
}
