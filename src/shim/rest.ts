/** Notices when nothing has been asked for a while after some activity. */

export interface RestOptions {
  readonly afterMs: number;
  /** Called at rest. Returning `true` requests another call after the same time. */
  readonly act: () => boolean;
}

export class Rest {
  readonly #options: RestOptions;
  #timer: unknown;
  /** Number of operations in progress. */
  #working = 0;
  #ended = false;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** There is no rest before `work` is done. Never rejects. */
  async during(work: Promise<unknown>): Promise<void> {
    this.#working += 1;
    clearTimeout(this.#timer as never);
    await work.catch(() => {});
    this.#working -= 1;
    this.disturbed();
  }

  /** Reports activity: the time begins anew. */
  disturbed(): void {
    clearTimeout(this.#timer as never);
    if (this.#working > 0 || this.#ended) return;
    this.#timer = setTimeout(() => {
      if (this.#options.act()) this.disturbed();
    }, this.#options.afterMs);
  }

  /** Prevents any further call. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer as never);
  }
}
