/** Finds contradictions in a configuration and reports them in Kata's words. Pure; files were examined before. */
import type { ConfigSurroundings } from "../config.ts";
import type { EffectiveConfig } from "../effective.ts";
import { rank } from "../problem.ts";
import { keysOf } from "../tables.ts";
import { textFault } from "../value.ts";
import { type CheckContext, wrong } from "./check-context.ts";
import { checkGuest } from "./check-guest.ts";
import { checkHypervisor } from "./check-hypervisor.ts";
import { checkMemory } from "./check-memory.ts";
import { checkFactory, checkMachine, checkNetwork, checkRuntime } from "./check-runtime.ts";

export function checkConfig(context: CheckContext, surroundings: ConfigSurroundings): void {
  checkTexts(context);
  checkGuest(context);
  checkHypervisor(context);
  checkRuntime(context);
  checkMemory(context, surroundings);
  // The first releases check nothing more.
  if (context.effective.era === "1.0") return;
  checkNetwork(context);
  checkMachine(context);
  checkFactory(context);
}

/** The choices and paths of everything that is set. */
function checkTexts(context: CheckContext): void {
  const { settings, effective } = context;
  for (const name of settings.names()) {
    const dot = name.lastIndexOf(".");
    const [table, key] = [name.slice(0, dot), name.slice(dot + 1)];
    const spec = keysOf(table)?.[key];
    const value = settings.get(table, key)?.value;
    if (typeof value !== "string" || spec?.kind !== "text") continue;
    if (key.startsWith("trace_") && !effective.agent.enable_tracing) continue;
    // An unknown era was already reported when the files were read.
    const fault = oldDriverFault(effective, table, key, value) ?? textFault(name, spec, value);
    if (fault !== undefined) wrong(context, table, key, fault, rankOfText(table, key));
  }
}

function oldDriverFault({ era }: EffectiveConfig, table: string, key: string, value: string): string | undefined {
  if (era !== "1.0" || key !== "block_device_driver" || ["virtio-scsi", "virtio-blk"].includes(value)) return undefined;
  return `${table}.${key}: Invalid value ${value} provided for hypervisor block storage driver, can be either virtio-scsi or virtio-blk`;
}

function rankOfText(table: string, key: string): number {
  if (key === "internetworking_model") return rank.network;
  if (key === "block_device_driver") return rank.blockDriver;
  if (key === "path" && table.startsWith("hypervisor.")) return rank.path;
  if (key === "kernel") return rank.kernel;
  if (key === "initrd") return rank.initrd;
  if (key === "image") return rank.image;
  if (key === "firmware") return rank.firmware;
  if (table.startsWith("hypervisor.")) return rank.hypervisor;
  if (table.startsWith("proxy.")) return rank.proxy;
  if (table.startsWith("agent.")) return rank.agent;
  if (table.startsWith("shim.")) return rank.shim;
  return rank.decoding;
}
