/**
 * The part of the boot that is postponed until the host has its first answer: the answer does not need it, but
 * containers do. It is done while the host prepares its next call, at the latest when that call arrives.
 * This class knows nothing of the work itself.
 */

export class BootRest {
  #work: (() => void) | undefined;

  /** @param work done once. On failure it does not return, or throws an error that may be reported to the caller */
  constructor(work: () => void = () => {}) {
    this.#work = work;
  }

  /** Does the work unless it has been done. */
  finish(): void {
    const work = this.#work;
    this.#work = undefined;
    work?.();
  }

  /** Does the work once everything else that is ready to run has run, so that the answer is sent first. */
  finishSoon(): void {
    if (this.#work !== undefined) setTimeout(() => this.finish(), 0);
  }
}
