/**
 * What is left of the boot when the host gets its first answer: nothing that the answer takes, everything that a container
 * does. It is done while the host gets ready for its next call, at the latest when that arrives.
 * Knows nothing of what it consists of.
 */

export class BootRest {
  #work: (() => void) | undefined;

  /** @param work done once; does not return when it fails, or throws what the caller may be told */
  constructor(work: () => void = () => {}) {
    this.#work = work;
  }

  /** Does it, unless it is done. */
  finish(): void {
    const work = this.#work;
    this.#work = undefined;
    work?.();
  }

  /** Does it when everything else that can be done now is: first of all, the answer is sent. */
  finishSoon(): void {
    if (this.#work !== undefined) setTimeout(() => this.finish(), 0);
  }
}
