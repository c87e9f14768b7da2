/** The peak memory of a sandbox's shim, as the kernel counts it. */
import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { sandboxProcesses } from "../support/sandbox.ts";

/** The kernel's peak value only rises, so the last sample before the end counts. */
const lookMs = 20;

export class ShimMemory implements AsyncDisposable {
  peakMiB = 0;
  readonly #id: string;
  readonly #looking: Promise<void>;
  #over = false;

  constructor(id: string) {
    this.#id = id;
    this.#looking = this.#look();
  }

  async #look(): Promise<void> {
    let pid: number | undefined;
    while (!this.#over) {
      pid ??= sandboxProcesses(this.#id).get("shim")?.[0];
      if (pid !== undefined) this.peakMiB = Math.max(this.peakMiB, peakOf(pid));
      await delay(lookMs);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    await this.#looking;
  }
}

function peakOf(pid: number): number {
  try {
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024;
  } catch {
    return 0;
  }
}
