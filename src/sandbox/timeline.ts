/** When each phase of a create was over. Kept in the record, for the benchmark and for people. */
import type { Clock } from "../sys/os.ts";

export class Timeline {
  readonly #clock: Clock;
  readonly #startMs: number;
  readonly #marks: Record<string, number> = {};

  /** `startMs`: when the shim was started, on the monotonic clock. */
  constructor(clock: Clock, startMs: number) {
    this.#clock = clock;
    this.#startMs = startMs;
  }

  /** Marks the end of a phase. Returns the milliseconds since the start. */
  mark(phase: string): number {
    const ms = Math.round(this.#clock.monotonic() - this.#startMs);
    this.#marks[phase] = ms;
    return ms;
  }

  /** Milliseconds since the start. */
  now(): number {
    return this.#clock.monotonic() - this.#startMs;
  }

  /** In the order in which they were made. */
  get marks(): Readonly<Record<string, number>> {
    return { ...this.#marks };
  }
}
