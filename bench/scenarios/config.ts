/**
 * The cost of a configuration: a full file with drop-ins after start-up, and the largest input that is accepted at all.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { keysOf } from "../../src/config/tables.ts";
import { maxFileBytes } from "../../src/config/toml.ts";
import { execute } from "../../test/support/command.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";
import { configurationText } from "../support/configuration-text.ts";

const tables = ["hypervisor.qemu", "agent.kata", "runtime", "factory", "proxy.kata", "shim.kata", "netmon", "image"];
const wantedKeys = 200;
const dropIns = 10;

export async function config(context: BenchContext): Promise<Findings> {
  context.progress("reading the configuration");
  const full = fullConfiguration(context);
  const wall: number[] = [];
  const cpu: number[] = [];
  const small: number[] = [];
  const hostile: number[] = [];
  const verb = path.join(context.installRoot, "kumite");
  const large = context.place.path("large.toml");
  const line = "k00000 = 1\n";
  const lines = Array.from({ length: Math.floor(maxFileBytes / line.length) - 2 }, (_, at) => `k${at + 10_000} = 1\n`);
  writeFileSync(large, `[runtime]\n${lines.join("")}`);
  let said = 0;
  for (let round = 0; round < rounds(context, 11, 3); round++) {
    const worker = path.resolve(import.meta.dirname, "../config-worker.ts");
    const { stdout, stderr } = await execute([process.execPath, "--import", "tsx", worker, full]);
    if (stdout === "") throw new Error(stderr);
    const { wallMs, cpuMs, keys } = JSON.parse(stdout) as { wallMs: number; cpuMs: number; keys: number };
    wall.push(wallMs);
    cpu.push(cpuMs);
    said = keys;
    small.push(await timed([verb, "config", "check", full]));
    hostile.push(await timed([verb, "config", "check", large]));
  }
  return {
    figures: [
      { name: "full file and drop-ins, first load in Node", unit: "ms", samples: wall },
      { name: "processor time of it, all threads", unit: "ms", samples: cpu },
      { name: "the same by `kumite config check`, start included", unit: "ms", samples: small },
      { name: "largest file by `kumite config check`, all keys unknown", unit: "ms", samples: hostile },
    ],
    verdicts: [
      atMost("full configuration with 10 drop-ins after start-up", median(wall), 10, "ms"),
      atMost("the largest input is answered", median(hostile), 1000, "ms"),
    ],
    notes: [`${said} keys in a file and ${dropIns} drop-ins`],
  };
}

/** A file with every key, and drop-ins that bring the total to at least 200 keys. */
function fullConfiguration({ place }: BenchContext): string {
  const directory = place.path("full");
  mkdirSync(path.join(directory, "config.d"), { recursive: true });
  const file = path.join(directory, "configuration.toml");
  const all = tables.map((table) => [table, Object.entries(keysOf(table) ?? {})] as const);
  writeFileSync(file, all.map(([table, keys]) => configurationText(table, keys)).join(""));
  const count = all.reduce((sum, [, keys]) => sum + keys.length, 0);
  const each = Math.ceil(Math.max(dropIns, wantedKeys - count) / dropIns) + 1;
  const [, [table, keys] = ["agent.kata", []]] = all;
  for (let index = 0; index < dropIns; index++) {
    const text = configurationText(table, keys.slice(index % 4, (index % 4) + each));
    writeFileSync(path.join(directory, "config.d", `${index}.toml`), text);
  }
  return file;
}

async function timed(argv: readonly string[]): Promise<number> {
  const began = performance.now();
  await execute(argv);
  return performance.now() - began;
}
