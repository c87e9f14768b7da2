/** AbortController and AbortSignal: the part of the DOM standard that portable code relies on. */

/** What `abort()` without a reason gives; named as in the standard, where it is a DOMException. */
class AbortError extends Error {
  override readonly name = "AbortError";
}

interface Registration {
  readonly listener: () => void;
  readonly once: boolean;
}

/** Made by controllers only. */
export class EngineAbortSignal {
  #aborted = false;
  #reason: unknown;
  #registrations: Registration[] = [];

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
    if (type !== "abort" || this.#registrations.some((r) => r.listener === listener)) return;
    this.#registrations.push({ listener, once: typeof options === "object" && options.once === true });
  }

  removeEventListener(type: string, listener: () => void): void {
    if (type === "abort") this.#registrations = this.#registrations.filter((r) => r.listener !== listener);
  }

  static abort(signal: EngineAbortSignal, reason: unknown): void {
    if (signal.#aborted) return;
    signal.#aborted = true;
    signal.#reason = reason ?? new AbortError("this operation was aborted");
    const registrations = signal.#registrations;
    signal.#registrations = registrations.filter((r) => !r.once);
    for (const { listener } of registrations) callListener(listener);
  }
}

/** One listener's failure must not keep the others from hearing; it is reported as an unhandled rejection. */
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
