/** When the agent had reached which step of the boot, for whoever asks where the time goes. Costs one clock reading each. */
import { CLOCK_MONOTONIC, clockMs } from "../../sys/linux/time.ts";

export class BootMarks {
  readonly #marks = new Map<string, number>();

  /** The step is over now. */
  mark(step: string): void {
    this.#marks.set(step, bootMs());
  }

  /** In milliseconds since the kernel's start. */
  get marks(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#marks);
  }
}

/** Milliseconds since the kernel's start; on a host that is the host's kernel. */
export function bootMs(): number {
  return clockMs(CLOCK_MONOTONIC);
}
