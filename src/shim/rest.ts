/** Notices that nothing has been asked for a while after something was. */

export interface RestOptions {
  readonly afterMs: number;
  /** Called at rest; `true` asks for another call when the same time has passed again. */
  readonly act: () => boolean;
}

export class Rest {
  readonly #options: RestOptions;
  #timer: unknown;

  constructor(options: RestOptions) {
    this.#options = options;
  }

  /** Something was done: the time begins anew. */
  disturbed(): void {
    clearTimeout(this.#timer as never);
    this.#timer = setTimeout(() => {
      if (this.#options.act()) this.disturbed();
    }, this.#options.afterMs);
  }

  /** It is not called any more. */
  end(): void {
    clearTimeout(this.#timer as never);
  }
}
