/** Boots the VM of a single container up to its agent's first answer: no container, no command line, no shim. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { loadConfig } from "../src/config/load.ts";
import type { StartContext } from "../src/hypervisor/driver.ts";
import { sharedTag } from "../src/storage/guest-paths.ts";
import { startVm } from "../src/vm/start-vm.ts";
import { testInstallRoot, testOs } from "../test/support/node-os.ts";
import type { BootCost } from "./floor/run.ts";
import { cpuSeconds } from "./process-cost.ts";

/** `place` is an existing directory for the VM's files. */
export async function bootToAgent(place: string): Promise<BootCost> {
  const os = testOs();
  const config = await loadConfig(os, { installRoot: testInstallRoot });
  const directory = mkdtempSync(join(place, "machine-"));
  const shared = join(directory, "shared");
  mkdirSync(shared);
  const context: StartContext = {
    willMake: async () => {},
    made: async () => {},
    signal: new AbortController().signal,
    log: () => {},
  };
  const sharedDirectories = [{ tag: sharedTag, path: shared }];
  const request = { id: "bench", directory, sharedDirectories, cgroups: [], takesDevices: false };
  const began = performance.now();
  const vm = await startVm(os, config, request, context);
  try {
    return { wallMs: performance.now() - began, qemuCpuSeconds: cpuSeconds(vm.machine.pid) };
  } finally {
    await vm.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
