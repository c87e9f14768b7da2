/** A clone of the configured template, without a sandbox. */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import path from "node:path";
import { loadConfig } from "../../src/config/load.ts";
import { chooseTemplate } from "../../src/factory/choose-template.ts";
import { cloneVm } from "../../src/factory/clone.ts";
import { usualShape } from "../../src/factory/usual-shape.ts";
import type { Os } from "../../src/sys/os.ts";
import type { Vm } from "../../src/vm/vm.ts";
import { cloneDisks } from "./clone-disks.ts";
import { testInstallRoot } from "./node-os.ts";
import { testQemuFlags } from "./qemu.ts";

/** `directory` does not exist yet and gets the name of the VM. The caller stops the VM. */
export async function bareClone(os: Os, config: string, directory: string): Promise<Vm> {
  const overrides = testQemuFlags.filter((word) => word !== "--set");
  const loaded = await loadConfig(os, { installRoot: testInstallRoot, path: config, overrides });
  const shared = path.join(directory, "shared");
  mkdirSync(shared, { recursive: true });
  const context = {
    willMake: async () => {},
    made: async () => {},
    signal: new AbortController().signal,
    log: () => {},
  };
  const choice = await chooseTemplate(os, { config: loaded, shape: await usualShape(os), scope: "" }, context.signal);
  const disks = await cloneDisks(os, directory, choice);
  const setting = { id: path.basename(directory), directory, shared, disks, cgroups: [] };
  const outcome = await cloneVm(os, choice, { config: loaded, setting }, context);
  assert.ok(outcome.kind === "cloned", outcome.kind === "none" ? outcome.why : "");
  return outcome.vm;
}
