/** Chooses the template for a VM. Knows nothing of how the VM is made from it. */
import type { Config } from "../config/config.ts";
import type { Os } from "../sys/os.ts";
import { raceAbort } from "../util/abort.ts";
import { messageWithCauses } from "../util/errors.ts";
import type { BuildRequest } from "./build-template.ts";
import { startBuilder } from "./builder/start-builder.ts";
import { templateKey } from "./template-key.ts";
import { findTemplate, type MachineShape, type Template, upperPath } from "./template-store.ts";
import { markUsed } from "./template-use.ts";

export interface TemplateWish {
  readonly config: Config;
  readonly shape: MachineShape;
  /** The result of `scopeOf`. */
  readonly scope: string;
}

export interface NoTemplate {
  readonly kind: "none";
  readonly why: string;
  /** The template to make once the sandbox runs, so that the next one can be cloned. */
  readonly build?: BuildRequest;
}

export interface ChosenTemplate {
  readonly kind: "template";
  readonly template: Template;
  readonly store: string;
  /** The file that the disk of a clone's upper layer must be a copy of, if the shape has disks. */
  readonly emptyUpper: string | undefined;
}

export type TemplateChoice = ChosenTemplate | NoTemplate;

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
    const template = found ?? (await builtNow(os, build, signal));
    await markUsed(os, store, key);
    return chosen(store, template);
  } catch (error) {
    if (signal.aborted) throw error;
    return { kind: "none", why: messageWithCauses(error) };
  }
}

/** The template that `chooseTemplate` would choose, if it exists already. @throws KumiteError of `templateKey` */
export async function presentTemplate(
  os: Os,
  { config, shape, scope }: TemplateWish,
): Promise<ChosenTemplate | undefined> {
  const { templatePath: store } = config.factory;
  const found = await findTemplate(os, store, await templateKey(os, config, shape, scope));
  return found === undefined ? undefined : chosen(store, found);
}

function chosen(store: string, template: Template): ChosenTemplate {
  return { kind: "template", template, store, emptyUpper: upperPath(template) };
}

/** With `enable_template = true` the first sandbox waits for the template that all others use. */
async function builtNow(os: Os, build: BuildRequest, signal: AbortSignal): Promise<Template> {
  const { made } = await startBuilder(os, build);
  await raceAbort(made, signal);
  const template = await findTemplate(os, build.store, build.key);
  if (template === undefined) throw new Error("the template was removed as soon as it was made");
  return template;
}
