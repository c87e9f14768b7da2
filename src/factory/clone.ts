/**
 * Gives a sandbox a machine that goes on from a template. What cannot be cloned is no error: the caller boots instead, and
 * says why.
 */
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { MemoryBacking } from "../hypervisor/spec.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, messageOf } from "../util/errors.ts";
import { startVm } from "../vm/start-vm.ts";
import type { Vm } from "../vm/vm.ts";
import { type NoTemplate, reasonOf, type TemplateChoice } from "./choose-template.ts";
import { type CloneSetting, cloneRequest } from "./machine-shape.ts";
import { findTemplate, lockStore, memoryPath, removeTemplate, type Template } from "./template-store.ts";

export type CloneOutcome = { readonly kind: "cloned"; readonly vm: Vm; readonly template: string } | NoTemplate;

export interface CloneRequest {
  readonly config: Config;
  readonly setting: CloneSetting;
  /** Makes memory of its own, a copy of the file at `template`; default: it has the template's in common with others. */
  readonly ownMemory?: (template: string) => Promise<MemoryBacking>;
}

/** Rejects only with `aborted`. Nothing of a clone that failed is left, but for memory of its own. */
export async function cloneVm(
  os: Os,
  choice: TemplateChoice,
  { config, setting, ownMemory }: CloneRequest,
  context: StartContext,
): Promise<CloneOutcome> {
  if (choice.kind === "none") return choice;
  const { template, store } = choice;
  try {
    const memory = await ownMemory?.(memoryPath(template));
    const vm = await startVm(os, config, cloneRequest(config, template.shape, setting, template, memory), context);
    return { kind: "cloned", vm, template: template.key };
  } catch (error) {
    if (context.signal.aborted) throw error;
    await distrust(os, store, template, error, context);
    return { kind: "none", why: reasonOf(error) };
  }
}

/** A template that gives no machine would go on doing so. One that was removed meanwhile is no reason for more. */
async function distrust(
  os: Os,
  store: string,
  template: Template,
  error: unknown,
  { log }: StartContext,
): Promise<void> {
  if (!isKumiteError(error, "hypervisor/start-failed", "hypervisor/protocol", "hypervisor/exited", "agent/unreachable"))
    return;
  try {
    await using _lock = await lockStore(os, store);
    const now = await findTemplate(os, store, template.key);
    if (now?.keeper.pid !== template.keeper.pid) return;
    await removeTemplate(os, store, template.key);
    log("warn", "the template is removed: no machine could be cloned from it", { template: template.key });
  } catch (failure) {
    log("warn", `a template that gives no machines stays: ${messageOf(failure)}`, { template: template.key });
  }
}
