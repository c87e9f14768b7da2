/** Checks the runtime's table, and contradictions between tables: network, memory, factory. Pure. */
import { oneLine } from "../../util/text.ts";
import { rank } from "../problem.ts";
import { type CheckContext, wrong } from "./check-context.ts";

export function checkRuntime(context: CheckContext): void {
  const { runtime, hypervisors, chosen } = context.effective;
  const fails = (key: string, reason: string): void =>
    wrong(context, "runtime", key, `runtime.${key}: ${reason}`, rank.other);
  for (const name of runtime.experimental)
    fails("experimental", `Unsupported experimental feature ${oneLine(JSON.stringify(name), 80)}`);
  const names = runtime.sandbox_bind_mounts.map((mount) =>
    mount
      .replace(/:r[ow]$/, "")
      .split("/")
      .at(-1),
  );
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fails("sandbox_bind_mounts", `two paths end in ${oneLine(twice, 60)}`);
  const pattern = hypervisors[chosen].enable_annotations.find((word) => !isRegex(word));
  if (pattern === undefined) return;
  const table = `hypervisor.${chosen}`;
  const reason = `${table}.enable_annotations: ${oneLine(pattern, 60)} is not a regular expression`;
  wrong(context, table, "enable_annotations", reason, rank.hypervisor);
}

function isRegex(pattern: string): boolean {
  try {
    new RegExp(pattern);
    return true;
  } catch {
    return false;
  }
}

export function checkNetwork(context: CheckContext): void {
  const { runtime, netmon, shim, era, shimTable } = context.effective;
  const model = runtime.internetworking_model;
  if (runtime.disable_new_netns && netmon.enable_netmon) {
    wrong(
      context,
      "runtime",
      "disable_new_netns",
      "runtime.disable_new_netns: config disable_new_netns conflicts with enable_netmon",
      rank.networkNamespace,
    );
  }
  if (runtime.disable_new_netns && model !== "none") {
    wrong(
      context,
      "runtime",
      "disable_new_netns",
      "runtime.disable_new_netns only works with 'none' internetworking_model",
      rank.networkNamespace,
    );
  }
  if (era !== "3.x" && shim.enable_tracing && !runtime.disable_new_netns) {
    wrong(
      context,
      shimTable,
      "enable_tracing",
      `${shimTable}.enable_tracing: Shim tracing requires disable_new_netns for Jaeger agent communication`,
      rank.networkNamespace,
    );
  }
}

export function checkMachine(context: CheckContext): void {
  const { chosen, hypervisors } = context.effective;
  const table = `hypervisor.${chosen}`;
  if (hypervisors[chosen].default_memory === 0) {
    wrong(context, table, "default_memory", `${table}.default_memory: VM memory cannot be zero`, rank.machine);
  }
}

/** In the order of release 1.6. With "auto", a template is used where possible, so it excludes nothing. */
export function checkFactory(context: CheckContext): void {
  const { factory, hypervisors, chosen, era, agentTable } = context.effective;
  const fails = (key: string, reason: string): void =>
    wrong(context, "factory", key, `factory.${key}: ${reason}`, rank.factory);
  const template = factory.enable_template === true;
  const cache = factory.vm_cache_number > 0;
  // The value in effect: without vsock on the host it is off.
  const { use_vsock: vsock, initrd } = hypervisors[chosen];
  const old = era !== "3.x";
  // Only the release that introduced the cache excludes these two; later ones allow them.
  const first = era === "1.6";
  if (template && cache && first) fails("enable_template", "VM factory cannot work together with VM cache");
  if (template && initrd === "" && old) {
    fails("enable_template", "Factory option enable_template requires an initrd image");
  }
  if (template && vsock && old) {
    fails("enable_template", "config vsock conflicts with factory, please disable one of them");
  }
  if (!cache) return;
  if (context.effective.hypervisor !== "qemu") fails("vm_cache_number", "VM cache just support qemu");
  if (old && agentTable !== "agent.kata") fails("vm_cache_number", "VM cache just support kata agent");
  if (first && vsock) fails("vm_cache_number", "config vsock conflicts with VM cache, please disable one of them");
}
