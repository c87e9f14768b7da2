/** AbortController and AbortSignal: the part of the DOM standard that portable code uses. */

/** The default reason of `abort()`. It has the name that the standard gives it, where it is a DOMException. */
class AbortError extends Error {
  override readonly name = "AbortError";
}

/** Created by controllers only. */
export class EngineAbortSignal {
  #aborted = false;
  #reason: unknown;
  /** Listeners, and whether each is called only once. Created with the first listener. */
  #listeners: Map<() => void, boolean> | undefined;

  get aborted(): boolean {
    return this.#aborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  throwIfAborted(): void {
    if (this.#aborted) throw this.#reason;
  }

  addEventListener(type: string, listener: () => void, options?: { once?: boolean } | boolean): void {
    if (type !== "abort") return;
    this.#listeners ??= new Map();
    if (this.#listeners.has(listener)) return;
    this.#listeners.set(listener, typeof options === "object" && options.once === true);
  }

  removeEventListener(type: string, listener: () => void): void {
    if (type === "abort") this.#listeners?.delete(listener);
  }

  static abort(signal: EngineAbortSignal, reason: unknown): void {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason ?? new AbortError("this operation was aborted");
    const listeners = [...(signal.#listeners ?? [])];
    for (const [listener, once] of listeners) if (once) signal.#listeners?.delete(listener);
    for (const [listener] of listeners) callListener(listener);
  }
}

/** A listener's exception must not keep the others from being called. It is reported as an unhandled rejection. */
function callListener(listener: () => void): void {
  try {
    listener();
  } catch (error) {
    void Promise.reject(error);
  }
}

export class EngineAbortController {
  readonly signal = new EngineAbortSignal();

  abort(reason?: unknown): void {
    EngineAbortSignal.abort(this.signal, reason);
  }
}
