/** Repeats one kind of `run` up to the first byte of its container, and records its phases. */
import type { Bundle } from "../../test/support/bundle.ts";
import { describe } from "../../test/support/command.ts";
import type { BenchContext } from "../context.ts";
import { type Figure, median } from "../figures.ts";

export class FirstBytes {
  readonly #context: BenchContext;
  readonly #bundle: Bundle;
  readonly #flags: readonly string[];
  readonly #samples: number[] = [];
  readonly #phases = new Map<string, number[]>();

  /** @param bundle of a container that prints something and ends; @param flags of the command, before its verb */
  constructor(context: BenchContext, bundle: Bundle, flags: readonly string[]) {
    this.#context = context;
    this.#bundle = bundle;
    this.#flags = flags;
  }

  get samples(): readonly number[] {
    return this.#samples;
  }

  async sample(): Promise<void> {
    const { place } = this.#context;
    const argv = [...this.#flags, "run", "--timeline", "--bundle", this.#bundle.directory, place.newId()];
    const began = performance.now();
    const running = place.begin(argv);
    let wallMs = Number.NaN;
    running.child.stdout?.once("data", () => {
      wallMs = performance.now() - began;
    });
    const finished = await running.finished;
    if (finished.status !== 0 || Number.isNaN(wallMs)) throw new Error(describe(finished));
    this.#samples.push(wallMs);
    for (const [, phase = "", ms = ""] of finished.stderr.matchAll(/^(\S+ +\S.*?) +(\d+) ms \|/gm)) {
      // What the guest did before it was saved is not a part of this start.
      if (phase.startsWith("guest")) continue;
      this.#phases.set(phase, [...(this.#phases.get(phase) ?? []), Number(ms)]);
    }
  }

  forget(): void {
    this.#samples.length = 0;
    this.#phases.clear();
  }

  figure(name: string): Figure {
    return { name, unit: "ms", samples: [...this.#samples] };
  }

  /** The median of each phase. */
  phases(): Record<string, number> {
    return Object.fromEntries([...this.#phases].map(([name, samples]) => [name, median(samples)]));
  }
}
