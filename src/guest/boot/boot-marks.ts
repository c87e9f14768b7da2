/** When the agent finished which step of the boot, for boot time diagnostics. A mark costs one clock reading. */
import { CLOCK_MONOTONIC, clockMs } from "../../sys/linux/time.ts";

export class BootMarks {
  readonly #marks = new Map<string, number>();

  /** Records that the step ends now. */
  mark(step: string): void {
    this.#marks.set(step, bootMs());
  }

  /** By step, in milliseconds since the kernel's start. */
  get marks(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#marks);
  }
}

/** Milliseconds since the kernel's start; under the process driver that is the host's kernel. */
export function bootMs(): number {
  return clockMs(CLOCK_MONOTONIC);
}
