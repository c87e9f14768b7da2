/**
 * Logs settings that are accepted but not applied. Each is logged only once, since every container asks for the same.
 */
import type { Logger } from "../../util/log.ts";

/** Bounds the memory that a hostile host can make the agent use. */
const most = 256;

export class Notices {
  readonly #log: Logger;
  readonly #told = new Set<string>();

  constructor(log: Logger) {
    this.#log = log;
  }

  notApplied(container: string, phrases: readonly string[]): void {
    const what = phrases.filter((phrase) => !this.#told.has(phrase));
    if (what.length === 0) return;
    for (const phrase of what) if (this.#told.size < most) this.#told.add(phrase);
    this.#log.warn("accepted, but not applied", { container, what });
  }
}
