/** Notices that nothing has been asked for a while after something was. */

export interface RestOptions {
  readonly afterMs: number;
  /** Called at rest; `true` asks for another call when the same time has passed again. */
  readonly act: () => boolean;
}

export class Rest {
  readonly #options: RestOptions;
  #timer: unknown;
  /** Work that is under way. */
  #working = 0;
  #ended = false;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** There is no rest before it is over. Never rejects. */
  async during(work: Promise<unknown>): Promise<void> {
    this.#working += 1;
    clearTimeout(this.#timer as never);
    await work.catch(() => {});
    this.#working -= 1;
    this.disturbed();
  }

  /** Something was done: the time begins anew. */
  disturbed(): void {
    clearTimeout(this.#timer as never);
    if (this.#working > 0 || this.#ended) return;
    this.#timer = setTimeout(() => {
      if (this.#options.act()) this.disturbed();
    }, this.#options.afterMs);
  }

  /** It is not called any more. */
  end(): void {
    this.#ended = true;
    clearTimeout(this.#timer as never);
  }
}
