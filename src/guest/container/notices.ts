/** What was asked for and is accepted, but not done: told in the log, once for each thing, because every container asks. */
import type { Logger } from "../../util/log.ts";

/** What a hostile host can make us remember. */
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
