/** Starts clones of a template up to their agents' first answers: no container, no command line, no shim. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../src/config/config.ts";
import { chooseTemplate } from "../src/factory/choose-template.ts";
import { cloneVm } from "../src/factory/clone.ts";
import type { MachineShape } from "../src/factory/template-store.ts";
import type { StartContext } from "../src/hypervisor/driver.ts";
import type { Vm } from "../src/vm/vm.ts";
import { cloneDisks } from "../test/support/clone-disks.ts";
import { testOs } from "../test/support/node-os.ts";
import type { BootCost } from "./floor/run.ts";
import { cpuSeconds } from "./process-cost.ts";

/** A clone whose agent has answered. */
export interface AnsweringClone {
  readonly vm: Vm;
  /** The directory of its files; whoever stops the clone removes it. */
  readonly directory: string;
  readonly wallMs: number;
}

/** @param place an existing directory for the VM's files */
export async function cloneToAgent(place: string, config: Config, shape: MachineShape): Promise<BootCost> {
  const clone = await startClone(place, config, shape);
  try {
    return { wallMs: clone.wallMs, qemuCpuSeconds: cpuSeconds(clone.vm.machine.pid) };
  } finally {
    await stopClone(clone);
  }
}

export async function startClone(place: string, config: Config, shape: MachineShape): Promise<AnsweringClone> {
  const os = testOs();
  const directory = mkdtempSync(join(place, "machine-"));
  const shared = join(directory, "shared");
  mkdirSync(shared);
  const context: StartContext = {
    willMake: async () => {},
    made: async () => {},
    signal: new AbortController().signal,
    log: () => {},
  };
  const wish = { config, shape, scope: "" };
  // With a shim this happens while the shim starts.
  const disks = await cloneDisks(os, directory, await chooseTemplate(os, wish, context.signal));
  const began = performance.now();
  const setting = { id: "bench", directory, shared, disks, cgroups: [] };
  const choice = await chooseTemplate(os, wish, context.signal);
  const outcome = await cloneVm(os, choice, { config, setting }, context);
  const wallMs = performance.now() - began;
  if (outcome.kind !== "cloned") throw new Error(`no clone: ${outcome.why}`);
  return { vm: outcome.vm, directory, wallMs };
}

export async function stopClone({ vm, directory }: AnsweringClone): Promise<void> {
  await vm.stop();
  rmSync(directory, { recursive: true, force: true });
}
