/**
 * npm run fuzz [-- NAME... --seconds N --jobs N --seed N --keep]: feeds code that reads hostile input with new inputs,
 * for a limited time each. An input that fails is saved, and `npm run fuzz -- NAME --replay FILE` runs it again.
 * `--keep` adds inputs that reach something new to the corpus.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { saveFailure } from "./corpus.ts";
import { targets } from "./targets.ts";
import type { Report } from "./worker.ts";

/** A thousand times what an input takes; a busy host may need some of it to start the process. */
const hangMs = 120_000;

interface Job {
  readonly name: string;
  readonly seconds: number;
  readonly seed: number;
  readonly keep: boolean;
}

/** @returns whether it found nothing */
async function fuzz({ name, seconds, seed, keep }: Job): Promise<boolean> {
  const directory = mkdtempSync(path.join(os.tmpdir(), "fuzz-"));
  const current = path.join(directory, "input");
  writeFileSync(current, "");
  const worker = path.join(import.meta.dirname, "worker.ts");
  const argv = [...process.execArgv, worker, name, `${seconds}`, `${seed}`, current, ...(keep ? ["--keep"] : [])];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise<void>((resolve) => void child.once("close", () => resolve()));
  let last: Report | undefined;
  let watchdog = setTimeout(() => child.kill("SIGKILL"), hangMs);
  for await (const line of createInterface(child.stdout)) {
    last = JSON.parse(line) as Report;
    clearTimeout(watchdog);
    watchdog = setTimeout(() => child.kill("SIGKILL"), hangMs);
  }
  await ended;
  clearTimeout(watchdog);
  const found = last?.kind === "end" ? undefined : saveFailure(name, readFileSync(current));
  rmSync(directory, { recursive: true });
  process.stdout.write(found === undefined ? `${name}: ${figures(last)}\n` : failureText(name, found, last, seed));
  return found === undefined;
}

function figures(report: Report | undefined): string {
  if (report === undefined || report.kind === "failure") return "nothing was run";
  return `${report.runs} inputs, ${report.functions} functions reached, corpus of ${report.corpus}`;
}

function failureText(name: string, file: string, report: Report | undefined, seed: number): string {
  const what = report?.kind === "failure" ? report.message : "it hung or was killed";
  const shown = path.relative(process.cwd(), file);
  return `${name}: FAILED (seed ${seed}): ${what}\n  again: npm run fuzz -- ${name} --replay ${shown}\n`;
}

async function replay(name: string, file: string): Promise<number> {
  const target = targets.find((one) => one.name === name);
  if (target === undefined) return usage(`--replay needs the name of the fuzzer, not ${JSON.stringify(name)}`);
  await target.run(new Uint8Array(readFileSync(file)));
  process.stdout.write(`${name}: nothing fails with ${file}\n`);
  return 0;
}

function usage(complaint: string): number {
  process.stderr.write(
    `fuzz: ${complaint}\nfuzz: npm run fuzz [-- NAME... --seconds N --jobs N --seed N --keep | NAME --replay FILE]\n` +
      `fuzz: names: ${targets.map(({ name }) => name).join(", ")}\n`,
  );
  return 2;
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "60" },
      jobs: { type: "string", default: `${Math.max(1, os.availableParallelism())}` },
      seed: { type: "string", default: `${Date.now() % 0x7fff_ffff}` },
      keep: { type: "boolean", default: false },
      replay: { type: "string" },
    },
  });
  if (values.replay !== undefined) return replay(positionals[0] ?? "", values.replay);
  const unknown = positionals.find((name) => !targets.some((target) => target.name === name));
  if (unknown !== undefined) return usage(`no fuzzer ${unknown}`);
  const names = targets
    .map(({ name }) => name)
    .filter((name) => positionals.length === 0 || positionals.includes(name));
  const [seconds, jobs, seed] = [Number(values.seconds), Number(values.jobs), Number(values.seed)];
  if (!(seconds > 0 && jobs > 0 && Number.isInteger(seed))) return usage("--seconds, --jobs and --seed are numbers");

  const waiting = names.map((name): Job => ({ name, seconds, seed, keep: values.keep }));
  let good = true;
  const work = async (): Promise<void> => {
    for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) good = (await fuzz(job)) && good;
  };
  await Promise.all(Array.from({ length: jobs }, work));
  return good ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
