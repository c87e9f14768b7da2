/**
 * Gives a sandbox a VM from the cache if the VM is what the container needs. The VM's disks existed before their
 * content was known: the upper layer is used as it is, and the container's image is inserted into the disk of the lower
 * layer.
 */
import { type Config, hypervisorConfigOf } from "../config/config.ts";
import type { Journal } from "../persist/journal.ts";
import { KumiteError } from "../util/errors.ts";
import { withDiskDefaults } from "../vm/disk-defaults.ts";
import type { BootRequest, Parts } from "./boot.ts";
import { livingContainers } from "./fit-machine.ts";
import { whyOtherSize } from "./machine-size.ts";
import type { Sandbox } from "./sandbox.ts";
import { consoleFile } from "./start-context.ts";
import type { WarmMachine } from "./warm.ts";

/** If the VM is not used, it has ended when this resolves, and the sandbox undoes what the VM was made of. */
export async function isWarmUsed(sandbox: Sandbox, request: BootRequest): Promise<boolean> {
  const { warm, host, resources } = sandbox;
  if (warm === undefined) return false;
  const why = whyNot(warm, sandbox, request);
  if (why === undefined) return true;
  await resources?.journal.record(...warm.journal.content.steps);
  sandbox.warm = undefined;
  host.log.warn(`the VM from the cache is not used: ${why}`, { phase: "vm" });
  await warm.discard();
  return false;
}

/** Until this resolves, the VM belongs to the cache and ends if the create fails. @throws as `BootRequest.disks` */
export async function warmParts(
  sandbox: Sandbox,
  request: BootRequest,
  journal: Journal,
  signal: AbortSignal,
): Promise<Parts> {
  const { warm, host } = sandbox;
  if (warm === undefined) throw new KumiteError("internal", `sandbox ${host.id} has no VM from the cache`);
  const readyUpper = request.diskKinds === "layers" ? warm.layers?.upper.path : undefined;
  const made = await request.disks(journal, { readyUpper });
  if (readyUpper !== undefined) await insertImage(sandbox, warm, made.disks[0]?.path ?? "", signal);
  await journal.record(...warm.journal.content.steps);
  sandbox.warm = undefined;
  const console = consoleFile(sandbox);
  sandbox.console = console;
  warm.hear(host.log, (line) => console.add(`${new Date(host.os.clock.now()).toISOString()} ${line}`));
  host.log.info("the VM is from the cache", { phase: "vm" });
  return { made, warm, tree: warm.tree, template: undefined };
}

async function insertImage(
  sandbox: Sandbox,
  { vm, layers }: WarmMachine,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const { plug } = vm.machine;
  if (layers === undefined || plug === undefined) throw new KumiteError("internal", `VM ${vm.id} has no layers`);
  const { cache: _ofTheHole, ...lower } = layers.lower;
  await plug.exchangeDisk(withDiskDefaults(hypervisorConfigOf(sandbox.host.config), { ...lower, path }), signal);
  sandbox.hasTemplateDisks = true;
}

function whyNot(warm: WarmMachine, sandbox: Sandbox, { cloning, rare, diskKinds }: BootRequest): string | undefined {
  const { config } = sandbox.host;
  if (!sameMachine(warm.config, config)) return "annotations ask for a different VM";
  const otherSize = whyOtherSize(config, livingContainers(sandbox));
  if (otherSize !== undefined) return otherSize;
  if (diskKinds === "others") return "the container needs disks of its own";
  if (diskKinds === "layers" && warm.layers === undefined) return "the container needs disks for its layers";
  if (rare.scsiController) return "the VM has no SCSI controller";
  return warm.cloned && cloning.kind === "impossible" ? cloning.why : undefined;
}

function sameMachine(one: Config, other: Config): boolean {
  const essence = (config: Config) => JSON.stringify([config.hypervisor, hypervisorConfigOf(config), config.agent]);
  return essence(one) === essence(other);
}
