/** Size and memory of the processes that stay while a container runs, and their CPU time when nothing happens. */
import { statSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { shell } from "../../test/support/bundle.ts";
import { processOf } from "../../test/support/sandbox.ts";
import type { BenchContext } from "../context.ts";
import { atMost, type Figure, type Findings } from "../figures.ts";
import { cpuSeconds, privateDirtyMiB, residentMiB, residentMiBIn } from "../process-cost.ts";

/** After this time without a request a shim has collected the garbage of its start. */
const restMs = 5000;

export async function memory(context: BenchContext): Promise<Findings> {
  const { place, installRoot } = context;
  context.progress("memory, size and idle CPU time");
  // Without a pid namespace the container sees the agent as process 1.
  const bundle = await place.bundle(shell("while :; do sleep 1000; done"), (config) => {
    config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== "pid");
  });
  const id = await place.runDetached(bundle);
  const shim = await processOf(id, "shim");
  const relay = await processOf(id, "relay");
  const idleSeconds = context.quick ? 3 : 10;
  await delay(restMs);
  const before = cpuSeconds(shim);
  await delay(idleSeconds * 1000);
  const idlePercent = ((cpuSeconds(shim) - before) / idleSeconds) * 100;
  const values = {
    agentSize: statSync(path.join(installRoot, "agent")).size / 1e6,
    relay: residentMiB(relay),
    shim: privateDirtyMiB(shim),
    // Last, because reading it takes an exec.
    agent: residentMiBIn((await place.must(["exec", id, "cat", "/proc/1/status"])).stdout),
  };
  await place.remove(id);
  const one = (name: string, unit: Figure["unit"], value: number): Figure => ({ name, unit, samples: [value] });
  return {
    figures: [
      one("agent on disk", "MB", values.agentSize),
      one("agent, resident with one container", "MiB", values.agent),
      one("relay, resident", "MiB", values.relay),
      one("shim, private dirty", "MiB", values.shim),
      one("shim, idle", "%", idlePercent),
    ],
    verdicts: [
      atMost("agent on disk", values.agentSize, 1.5, "MB"),
      atMost("agent, resident with one container", values.agent, 3, "MiB"),
      atMost("relay, resident", values.relay, 2, "MiB"),
      atMost("shim, private dirty", values.shim, 12, "MiB"),
      atMost("shim, idle CPU time", idlePercent, 0, "%"),
    ],
    notes: [
      "the agent is looked at by an exec, which it serves at that moment",
      "CPU time is counted in steps of 10 ms",
    ],
  };
}
