/** The time of an update from the command to its end, and whether a limit of CPU time holds on the host. */
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { shell } from "../../test/support/bundle.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Figure, type Findings, median } from "../figures.ts";

const quota = { quota: 50_000, period: 100_000 };

export async function limits(context: BenchContext): Promise<Findings> {
  context.progress("updates, and a CPU limit on the host");
  const update = await updates(context);
  const share = await hostShare(context);
  const figures: Figure[] = [
    { name: "update of a limit alone", unit: "ms", samples: update.limit },
    { name: "update that adds a vCPU", unit: "ms", samples: update.grow },
    { name: "update that takes it away", unit: "ms", samples: update.shrink },
    ...(share === undefined
      ? []
      : [{ name: "busy container with half a CPU, on the host", unit: "ratio", samples: [share] } as const]),
  ];
  return {
    figures,
    verdicts: [
      atMost("update of a limit alone", median(update.limit), 100, "ms"),
      ...(share === undefined
        ? []
        : [atMost("busy container with half a CPU: off the half by", Math.abs(share - 0.5), 0.05, "ratio")]),
    ],
    notes: share === undefined ? ["this host has no cpu controller of version 1 to read the share from"] : [],
  };
}

async function updates({ place, ...context }: BenchContext) {
  const id = await place.runDetached(await place.bundle(shell("while :; do sleep 1000; done")));
  const samples = { limit: [] as number[], grow: [] as number[], shrink: [] as number[] };
  const timed = async (into: number[], ...flags: string[]): Promise<void> => {
    const began = performance.now();
    await place.must(["update", ...flags, id]);
    into.push(performance.now() - began);
  };
  for (let round = 0; round < rounds({ place, ...context }, 7, 3); round++) {
    await timed(samples.limit, "--pids-limit", String(100 + round));
    await timed(samples.grow, "--cpu-period", "100000", "--cpu-quota", "100000");
    await timed(samples.shrink, "--cpu-quota", "-1");
  }
  await place.remove(id);
  return samples;
}

/** CPUs used by all processes of the VM, including the shim, while the container computes, from their cgroup. */
async function hostShare({ place, quick }: BenchContext): Promise<number | undefined> {
  const hierarchy = ["/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/cpuacct"].find((directory) =>
    existsSync(path.join(directory, "cpuacct.usage")),
  );
  if (hierarchy === undefined) return undefined;
  const bundle = await place.bundle(shell("while :; do :; done"), (config) => {
    config.linux.resources = { ...config.linux.resources, cpu: quota };
  });
  const id = await place.runDetached(bundle);
  const group = path.join(hierarchy, "kumite", id, "vm");
  const usage = (): number => Number(readFileSync(path.join(group, "cpuacct.usage"), "utf8")) / 1e9;
  await delay(2000);
  const [usageBefore, began] = [usage(), performance.now()];
  await delay(quick ? 5000 : 20_000);
  const share = (usage() - usageBefore) / ((performance.now() - began) / 1000);
  await place.remove(id);
  return share;
}
