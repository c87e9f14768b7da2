/**
 * One fuzzer in a process of its own. If an input makes it hang or kills it, the parent (`main.ts`) finds the input in
 * the file that holds the current one.
 *
 *   worker.ts NAME SECONDS SEED CURRENT-FILE [--keep]
 */
import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { encodeUtf8 } from "../src/util/text.ts";
import { keep, readCorpus } from "./corpus.ts";
import { Coverage } from "./coverage.ts";
import { mutate, Random } from "./mutate.ts";
import type { Target } from "./target.ts";
import { targets } from "./targets.ts";

/** Reports on standard output, one JSON document per line. */
export type Report =
  | { readonly kind: "progress" | "end"; readonly runs: number; readonly functions: number; readonly corpus: number }
  | { readonly kind: "failure"; readonly message: string };

function tell(report: Report): void {
  writeSync(1, `${JSON.stringify(report)}\n`);
}

class Fuzzer {
  readonly #target: Target;
  readonly #random: Random;
  readonly #current: number;
  readonly #keeps: boolean;
  readonly #coverage = new Coverage();
  readonly #words: readonly Uint8Array[];
  readonly #corpus: Uint8Array[] = [];
  #runs = 0;

  constructor(target: Target, seed: number, currentFile: string, keeps: boolean) {
    this.#target = target;
    this.#random = new Random(seed);
    this.#current = openSync(currentFile, "r+");
    this.#keeps = keeps;
    this.#words = (target.words ?? []).map(encodeUtf8);
  }

  async fuzz(seconds: number): Promise<void> {
    const deadline = performance.now() + seconds * 1000;
    this.#coverage.start();
    for (const input of [...this.#target.seeds(), ...readCorpus(this.#target.name)]) {
      await this.#run(input);
      this.#corpus.push(input);
    }
    this.#coverage.takeNew();
    let told = performance.now();
    while (performance.now() < deadline) {
      await this.#step();
      if (performance.now() - told > 1000) {
        told = performance.now();
        tell({ kind: "progress", ...this.#figures() });
      }
    }
    tell({ kind: "end", ...this.#figures() });
    closeSync(this.#current);
  }

  #figures(): { runs: number; functions: number; corpus: number } {
    return { runs: this.#runs, functions: this.#coverage.functions, corpus: this.#corpus.length };
  }

  async #step(): Promise<void> {
    const input = mutate(this.#random.of(this.#corpus), this.#random, this.#corpus, this.#words);
    await this.#run(input);
    if (!this.#coverage.takeNew()) return;
    this.#corpus.push(input);
    if (this.#keeps) keep(this.#target.name, input);
  }

  async #run(input: Uint8Array): Promise<void> {
    ftruncateSync(this.#current, input.length);
    writeSync(this.#current, input, 0, input.length, 0);
    this.#runs += 1;
    await this.#target.run(input);
  }
}

/** When an input fails, it is in the current file, and the parent saves it. */
async function main([name = "", seconds = "", seed = "", currentFile = "", keeps]: readonly string[]): Promise<number> {
  const target = targets.find((one) => one.name === name);
  if (target === undefined) throw new Error(`no fuzzer ${name}`);
  // Promises that a target does not await may fail, too.
  process.on("unhandledRejection", fail);
  process.on("uncaughtException", fail);
  try {
    await new Fuzzer(target, Number(seed), currentFile, keeps === "--keep").fuzz(Number(seconds));
    return 0;
  } catch (error) {
    return fail(error);
  }
}

function fail(error: unknown): never {
  tell({ kind: "failure", message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  process.exit(1);
}

process.exit(await main(process.argv.slice(2)));
