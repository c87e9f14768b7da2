/** `kumite factory init|status|destroy`: machines that are made ahead. */
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { buildTemplate } from "../../factory/build-template.ts";
import { removeFactoryCgroups } from "../../factory/factory-cgroups.ts";
import { templateKey } from "../../factory/template-key.ts";
import { scopeOf } from "../../factory/template-scope.ts";
import { listTemplates, lockStore, removeTemplate, type Template } from "../../factory/template-store.ts";
import { usualShape } from "../../factory/usual-shape.ts";
import { withDeadline } from "../../util/deadline.ts";
import { KumiteError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

/** A boot and a clone of it, on a busy host that emulates; another may be making one before. */
const buildTimeoutMs = 180_000;
const lockTimeoutMs = 60_000;

type FactoryInvocation = Invocation<"factory">;

export async function factory(context: VerbContext, { args, flags }: FactoryInvocation): Promise<number> {
  const { os } = context;
  const config = await loadConfig(os, { installRoot: dirName(os.self.executable), path: context.config });
  switch (args[0]) {
    case "init":
      return init(context, config, flags.json);
    case "destroy":
      return destroy(context, config, flags.json);
    default:
      return status(context, config, flags.json);
  }
}

async function init(context: VerbContext, config: Config, json: boolean): Promise<number> {
  const { os, root, log, interruption, output } = context;
  if (config.factory.template === false) {
    throw new KumiteError("config/invalid", "vm factory is not enabled", {
      phase: "factory.init",
      hint: 'set enable_template = true or "auto" in [factory] of the configuration',
    });
  }
  const shape = await usualShape(os);
  const key = await templateKey(os, config, shape, scopeOf(config.factory, root));
  const request = { config, store: config.factory.templatePath, key, shape };
  const build = (signal: AbortSignal) => buildTemplate(os, request, log, signal);
  const template = await withDeadline(buildTimeoutMs, "making the template", build, interruption.signal);
  await output.out(json ? `${JSON.stringify(documentOf(template))}\n` : "vm factory initialized\n");
  return 0;
}

async function status({ os, output }: VerbContext, config: Config, json: boolean): Promise<number> {
  const { template, templatePath } = config.factory;
  const found = await listTemplates(os, templatePath);
  const whole = found.flatMap((entry) => (entry.template === undefined ? [] : [entry.template]));
  const state = template === false ? "not enabled" : whole.length > 0 ? "on" : "off";
  if (json) {
    await output.out(`${JSON.stringify({ state, templates: whole.map(documentOf) })}\n`);
    return 0;
  }
  const lines = whole.map(
    ({ key, memoryMiB, vcpus, keeper }) =>
      `template ${key} pid = ${keeper.pid} Cpu = ${vcpus} Memory = ${memoryMiB}MiB\n`,
  );
  await output.out(`${lines.join("")}vm factory is ${state}\n`);
  return 0;
}

/** All templates of the store, whichever configuration they are of. */
async function destroy({ os, output }: VerbContext, config: Config, json: boolean): Promise<number> {
  const { templatePath } = config.factory;
  const removed: string[] = [];
  if ((await os.files.status(templatePath)) !== undefined) {
    await using _lock = await withDeadline(lockTimeoutMs, `waiting for ${templatePath}`, (signal) =>
      lockStore(os, templatePath, signal),
    );
    for (const { key } of await listTemplates(os, templatePath)) {
      await removeTemplate(os, templatePath, key);
      removed.push(key);
    }
    await os.files.removeTree(templatePath);
  }
  await removeFactoryCgroups(os);
  await output.out(json ? `${JSON.stringify({ removed })}\n` : "vm factory destroyed\n");
  return 0;
}

function documentOf({ key, keeper, vcpus, memoryMiB, stateBytes, createdMs, buildMs }: Template) {
  return { key, keeper: keeper.pid, vcpus, memoryMiB, stateBytes, created: new Date(createdMs).toISOString(), buildMs };
}
