/**
 * Makes a VM for a sandbox by cloning a template. A failure is not an error: the caller boots a VM instead, and logs
 * the reason.
 */
import type { Config } from "../config/config.ts";
import type { StartContext } from "../hypervisor/driver.ts";
import type { MemoryBacking } from "../hypervisor/spec.ts";
import type { Os } from "../sys/os.ts";
import { isKumiteError, messageOf, messageWithCauses } from "../util/errors.ts";
import { startVm } from "../vm/start-vm.ts";
import type { Vm } from "../vm/vm.ts";
import type { NoTemplate, TemplateChoice } from "./choose-template.ts";
import { type CloneSetting, cloneRequest } from "./machine-shape.ts";
import { findTemplate, lockStore, memoryPath, removeTemplate, type Template } from "./template-store.ts";

export type CloneOutcome = { readonly kind: "cloned"; readonly vm: Vm; readonly template: string } | NoTemplate;

export interface CloneRequest {
  readonly config: Config;
  readonly setting: CloneSetting;
  /** Makes private memory with a copy of the file `template`; default: unchanged pages are shared with the template. */
  readonly ownMemory?: (template: string) => Promise<MemoryBacking>;
}

/** Rejects only with `aborted`. A failed clone leaves nothing but memory made by `ownMemory`. */
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
    return { kind: "none", why: messageWithCauses(error) };
  }
}

/**
 * Removes a template that failed to produce a VM, because it would fail again. Does nothing if it has been replaced or
 * removed meanwhile.
 */
async function distrust(
  os: Os,
  store: string,
  template: Template,
  error: unknown,
  { log }: StartContext,
): Promise<void> {
  if (!isKumiteError(error, "hypervisor/start-failed", "hypervisor/protocol", "hypervisor/exited", "agent/unreachable"))
    return;
  // Another clone, or one at another time, may well answer.
  if (isKumiteError(error) && error.data.hostIsBusy === true) return;
  try {
    await using _lock = await lockStore(os, store);
    const now = await findTemplate(os, store, template.key);
    if (now?.keeper.pid !== template.keeper.pid) return;
    await removeTemplate(os, store, template.key);
    log("warn", "the template was removed: no VM could be cloned from it", { template: template.key });
  } catch (failure) {
    log("warn", `a template that no VM can be cloned from could not be removed: ${messageOf(failure)}`, {
      template: template.key,
    });
  }
}
