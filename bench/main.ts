/**
 * npm run bench [-- --quick] [-- SCENARIO...]: measures what the project promises. A short table goes to standard
 * error, the findings as JSON to standard output. A missed target is shown, but is not a failure.
 */
import os from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { expectNothingNew, lookAtMachine } from "../test/support/left-overs.ts";
import { Workplace } from "../test/support/workplace.ts";
import type { BenchContext } from "./context.ts";
import type { Findings } from "./figures.ts";
import { table } from "./report.ts";
import { boot } from "./scenarios/boot.ts";
import { config } from "./scenarios/config.ts";
import { container } from "./scenarios/container.ts";
import { exec } from "./scenarios/exec.ts";
import { factory } from "./scenarios/factory.ts";
import { fullContainer } from "./scenarios/full-container.ts";
import { guestMemory } from "./scenarios/guest-memory.ts";
import { hotplug } from "./scenarios/hotplug.ts";
import { idle } from "./scenarios/idle.ts";
import { kill } from "./scenarios/kill.ts";
import { limits } from "./scenarios/limits.ts";
import { manyExecs } from "./scenarios/many-execs.ts";
import { memory } from "./scenarios/memory.ts";
import { output } from "./scenarios/output.ts";
import { podman } from "./scenarios/podman.ts";
import { recovery } from "./scenarios/recovery.ts";
import { snapshot } from "./scenarios/snapshot.ts";
import { storage } from "./scenarios/storage.ts";

const scenarios = {
  boot,
  factory,
  container,
  "full-container": fullContainer,
  exec,
  "many-execs": manyExecs,
  kill,
  recovery,
  output,
  memory,
  hotplug,
  limits,
  idle,
  "guest-memory": guestMemory,
  podman,
  config,
  storage,
  snapshot,
} satisfies Record<string, (context: BenchContext) => Promise<Findings>>;

async function main(args: readonly string[]): Promise<number> {
  const names = args.filter((arg) => arg !== "--quick");
  const unknown = names.filter((name) => !(name in scenarios));
  if (unknown.length > 0) {
    process.stderr.write(
      `bench: no scenario ${unknown.join(", ")}; known: ${Object.keys(scenarios).join(", ")}, --quick\n`,
    );
    return 2;
  }
  const chosen = Object.entries(scenarios).filter(([name]) => names.length === 0 || names.includes(name));
  const before = lookAtMachine();
  const findings: Record<string, Findings> = {};
  const failures: string[] = [];
  {
    await using place = await Workplace.open("bench");
    const context: BenchContext = {
      place,
      quick: args.includes("--quick"),
      installRoot: path.resolve(import.meta.dirname, "../build/libexec/kumite"),
      progress: (text) => process.stderr.write(`bench: ${text}\n`),
    };
    for (const [name, scenario] of chosen) {
      try {
        findings[name] = await scenario(context);
      } catch (error) {
        // The results of the other scenarios are still useful; the exit status reports this failure.
        failures.push(`${name}: ${inspect(error)}`);
      }
    }
  }
  const host = { cpus: os.cpus().length, model: os.cpus()[0]?.model, loadBefore: os.loadavg(), kernel: os.release() };
  process.stderr.write(`\n${table(findings)}`);
  process.stdout.write(`${JSON.stringify({ host, findings }, undefined, 2)}\n`);
  for (const failure of failures) process.stderr.write(`bench: FAILED: ${failure}\n`);
  await expectNothingNew(before);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
