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
import type { BuildRequest } from "./build-template.ts";
import { startBuilder } from "./builder/start-builder.ts";
import { type CloneSetting, cloneRequest } from "./machine-shape.ts";
import { templateKey } from "./template-key.ts";
import {
  findTemplate,
  lockStore,
  type MachineShape,
  memoryPath,
  removeTemplate,
  type Template,
  upperPath,
} from "./template-store.ts";
import { markUsed } from "./template-use.ts";

export interface TemplateWish {
  readonly config: Config;
  readonly shape: MachineShape;
  /** Of `scopeOf`. */
  readonly scope: string;
}

interface NoTemplate {
  readonly kind: "none";
  readonly why: string;
  /** What to make when the sandbox is there, so that the next one can be cloned. */
  readonly build?: BuildRequest;
}

export type TemplateChoice =
  | {
      readonly kind: "template";
      readonly template: Template;
      readonly store: string;
      /** What the upper layer's disk of a clone has to be a copy of, where the shape has one. */
      readonly emptyUpper: string | undefined;
    }
  | NoTemplate;

export type CloneOutcome = { readonly kind: "cloned"; readonly vm: Vm; readonly template: string } | NoTemplate;

/** Rejects only with `aborted`. */
export async function chooseTemplate(
  os: Os,
  { config, shape, scope }: TemplateWish,
  signal: AbortSignal,
): Promise<TemplateChoice> {
  const { template: wanted, templatePath: store } = config.factory;
  try {
    const key = await templateKey(os, config, shape, scope);
    const build = { config, store, key, shape };
    const found = await findTemplate(os, store, key);
    if (found === undefined && wanted === "auto") return { kind: "none", why: "there is no template yet", build };
    const template = found ?? (await builtNow(os, build));
    await markUsed(os, store, key);
    return { kind: "template", template, store, emptyUpper: upperPath(template) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: "none", why: reasonOf(error) };
  }
}

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

/** As `enable_template = true` has it: the first sandbox waits for the template that all others will use. */
async function builtNow(os: Os, build: BuildRequest): Promise<Template> {
  const { made } = await startBuilder(os, build);
  await made;
  const template = await findTemplate(os, build.store, build.key);
  if (template === undefined) throw new Error("the template was gone as soon as it was made");
  return template;
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

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? messageOf(error) : `${messageOf(error)}: ${reasonOf(cause)}`;
}
