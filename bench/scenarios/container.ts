/**
 * CreateContainer and StartContainer in an idle guest, as the agent's client sees them: of a container that asks for little,
 * and of one that asks for as much as engines do.
 */
import { rename } from "node:fs/promises";
import path from "node:path";
import { podmanProfile } from "../../src/seccomp/testing/podman-profile.testing.ts";
import type { OciConfig, Patch } from "../../test/support/bundle.ts";
import { succeed } from "../../test/support/command.ts";
import { type BenchContext, rounds } from "../context.ts";
import { atMost, type Findings, median } from "../figures.ts";

/** The first containers are slower: code of guest and agent that has not run yet. */
const warmUp = 2;

export async function container(context: BenchContext): Promise<Findings> {
  context.progress("create and start of a container in an idle guest");
  const samples = await measure(context);
  const warm = samples.slice(warmUp);
  return {
    figures: [
      { name: "create and start, the first of a machine", unit: "ms", samples: samples.slice(0, 1) },
      { name: "create and start, warm", unit: "ms", samples: warm },
    ],
    verdicts: [atMost("create and start of a container in an idle guest", median(warm), 30, "ms")],
    notes: ["at the agent, without verbs, shim and relay; root file system by virtio-fs"],
  };
}

export async function loaded(context: BenchContext): Promise<Findings> {
  context.progress("the same with 20 mounts, 40 device rules and podman's seccomp profile");
  const warm = (await measure(context, load)).slice(warmUp);
  return {
    figures: [{ name: "create and start with mounts, device rules and seccomp, warm", unit: "ms", samples: warm }],
    verdicts: [],
  };
}

function load(config: OciConfig): void {
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
  for (const index of numbers(20)) {
    config.mounts.push({ destination: `/mnt/${index}`, type: "tmpfs", source: "tmpfs", options: ["size=64k"] });
  }
  config.linux.resources = {
    devices: [
      { allow: false, access: "rwm" },
      ...numbers(40).map((minor) => ({ allow: true, type: "c", major: 10, minor, access: "rwm" })),
    ],
  };
  config.linux.seccomp = podmanProfile();
}

/** In ms, of one container after the other in one machine. */
async function measure(context: BenchContext, ...patches: Patch[]): Promise<number[]> {
  const bundle = await context.place.bundle(
    (config) => {
      config.process.args = ["/bin/true"];
    },
    ...patches,
  );
  await succeed(["mkdir", path.join(bundle.directory, "share")]);
  await rename(bundle.rootfs, path.join(bundle.directory, "share/rootfs"));
  const count = warmUp + rounds(context, 20, 5);
  const worker = path.resolve(import.meta.dirname, "../guest-worker.ts");
  const { stdout } = await succeed(
    [process.execPath, "--import", "tsx", worker, context.installRoot, bundle.directory, String(count)],
    { timeoutMs: 240_000 },
  );
  return JSON.parse(stdout) as number[];
}
