/** What of a configuration contradicts itself, in the words of Kata Containers. Pure: the files were looked at before. */
import { oneLine } from "../../util/text.ts";
import type { EffectiveConfig, EffectiveHypervisor } from "../effective.ts";
import type { Origin, Report } from "../problem.ts";
import { rank } from "../problem.ts";
import type { Settings } from "../settings.ts";
import { keysOf } from "../tables.ts";
import { textFault } from "../value.ts";
import { parseVerity } from "../verity.ts";
import type { NamedFiles } from "./files.ts";

export interface CheckContext {
  readonly effective: EffectiveConfig;
  readonly settings: Settings;
  readonly files: NamedFiles;
  readonly report: Report;
}

export function checkConfig(context: CheckContext): void {
  checkTexts(context);
  checkGuest(context);
  checkHypervisor(context);
  checkRuntime(context);
  // The first releases check nothing beyond this.
  if (context.effective.era === "1.0") return;
  checkNetwork(context);
  checkMachine(context);
  checkFactory(context);
}

/** One error about one key, told with its place. */
export function wrong(
  { settings, report }: CheckContext,
  table: string,
  key: string,
  reason: string,
  of: number,
): void {
  const origin: Origin = settings.origin(table, key);
  report({ severity: "error", origin, key: `${table}.${key}`, reason, rank: of });
}

/** Choices and paths of everything that is set. */
function checkTexts(context: CheckContext): void {
  const { settings, effective } = context;
  for (const name of settings.names()) {
    const dot = name.lastIndexOf(".");
    const [table, key] = [name.slice(0, dot), name.slice(dot + 1)];
    const spec = keysOf(table)?.[key];
    const value = settings.get(table, key)?.value;
    if (typeof value !== "string" || spec?.kind !== "text") continue;
    if (key.startsWith("trace_") && !effective.agent.enable_tracing) continue;
    // The choice of an era that does not exist was told before anything was read with its rules.
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

const mib = 1024 * 1024;

/** `image` and `initrd`: one of them, and how large it may be. */
function checkGuest(context: CheckContext): void {
  const { effective, settings, files } = context;
  const { era, chosen } = effective;
  const table = `hypervisor.${chosen}`;
  const values = effective.hypervisors[chosen];
  const [image, initrd] = [settings.get(table, "image")?.value || "", settings.get(table, "initrd")?.value || ""];
  const [imageFile, initrdFile] = [files.byKey.get("image"), files.byKey.get("initrd")];
  const old = era !== "3.x";
  if (image === "" && initrd === "") {
    if (!old || !settings.tables.has(table)) return;
    const reason = era === "1.0" ? "Missing image and initrd path" : neither("not set", "not set");
    const origin = settings.tables.get(table)?.() ?? { kind: "built-in" };
    context.report({ severity: "error", origin, key: table, reason: `${table}: ${reason}`, rank: rank.bothOrNeither });
    return;
  }
  const both = image !== "" && initrd !== "";
  if (both && old && imageFile?.found === false && initrdFile?.found === false) {
    wrong(context, table, "image", `${table}: ${neither(initrdFile.why, imageFile.why)}`, rank.bothOrNeither);
  } else if (both && era !== "1.0" && (!old || (imageFile?.found === true && initrdFile?.found === true))) {
    const reason = "having both an image and an initrd defined in the configuration file is not supported";
    wrong(context, table, "image", `${table}.image: ${reason}`, rank.bothOrNeither);
  }
  if (era === "1.0") return;
  checkSize(context, "image", values.default_memory);
  checkSize(context, "initrd", values.default_memory);
}

function neither(initrd: string, image: string): string {
  return `Either initrd or image must be set to a valid path (initrd: ${initrd}) (image: ${image})`;
}

/** A guest whose memory its own file system fills cannot start; files of a MiB at most are never compared. */
function checkSize(context: CheckContext, key: "image" | "initrd", memoryMiB: number): void {
  const { effective, settings, files, report } = context;
  const table = `hypervisor.${effective.chosen}`;
  const fact = files.byKey.get(key);
  if (fact === undefined || !fact.found) return;
  const path = oneLine(String(settings.get(table, key)?.value), 200);
  const { size, kind } = fact.status;
  const empty = kind === "file" && size === 0;
  if (kind === "directory" || empty) {
    const fault = empty ? `image "${path}" is empty` : `${path} is a directory`;
    wrong(context, table, key, `${table}.${key}: ${fault}`, rank.machine);
  }
  if (kind !== "file") return;
  const sizeMiB = Math.floor(size / mib);
  if (size <= mib || sizeMiB < memoryMiB) return;
  const reason = `${table}.${key}: VM memory (${memoryMiB}MB) smaller than image "${path}" size (${sizeMiB}MB)`;
  const severity = key === "initrd" ? "error" : "notice";
  report({ severity, origin: settings.origin(table, key), key: `${table}.${key}`, reason, rank: rank.machine });
}

function checkHypervisor(context: CheckContext): void {
  const { effective, settings } = context;
  const { chosen, era } = effective;
  const table = `hypervisor.${chosen}`;
  const values = effective.hypervisors[chosen];
  const fails = (key: string, reason: string): void =>
    wrong(context, table, key, `${table}.${key}: ${reason}`, rank.hypervisor);
  if (chosen === "clh" && values.shared_fs === "virtio-9p")
    fails("shared_fs", "Cloud Hypervisor does not support virtio-9p");
  if (chosen === "clh" && era !== "3.x" && settings.get(table, "initrd")?.value) {
    fails("initrd", "Cloud Hypervisor starts from an image");
  }
  if (chosen === "firecracker" && settings.has(table, "shared_fs") && values.shared_fs !== "none") {
    fails("shared_fs", "Firecracker has no shared file systems");
  }
  checkSectors(context, table, values);
  checkVfio(context, table, values);
  if (values.enable_vhost_user_store && !values.enable_hugepages) {
    fails("enable_vhost_user_store", "it needs enable_hugepages");
  }
  if (values.enable_iommu && chosen === "qemu" && values.machine_type !== "q35") {
    fails("enable_iommu", `the machine type ${values.machine_type} has no IOMMU, only q35 has`);
  }
  if (values.confidential_guest && values.block_device_driver === "virtio-mmio") {
    fails("confidential_guest", "it excludes block_device_driver = virtio-mmio");
  }
  if (values.numa_mapping.length > 1 && values.enable_numa && !effective.runtime.static_sandbox_resource_mgmt) {
    fails("numa_mapping", "several nodes need static_sandbox_resource_mgmt in [runtime]");
  }
  if (values.block_device_aio === "native" && !(values.block_device_cache_set && values.block_device_cache_direct)) {
    fails("block_device_aio", "native needs block_device_cache_set and block_device_cache_direct");
  }
  const verity = parseVerity(values.kernel_verity_params);
  if (typeof verity === "string") fails("kernel_verity_params", verity);
  if (verity !== undefined && values.image === "")
    fails("kernel_verity_params", "it is about an image, and none is set");
  checkExtensionImages(fails, values);
}

function checkSectors(context: CheckContext, table: string, values: EffectiveHypervisor): void {
  const sizes = ["block_device_logical_sector_size", "block_device_physical_sector_size"] as const;
  for (const key of sizes) {
    const size = values[key];
    const fits = size === 0 || (size >= 512 && size <= 65_536 && Number.isInteger(Math.log2(size)));
    if (!fits)
      wrong(
        context,
        table,
        key,
        `${table}.${key} is ${size}, but must be 0 or a power of two from 512 to 65536`,
        rank.hypervisor,
      );
  }
  const [logical, physical] = [values[sizes[0]], values[sizes[1]]];
  if (physical !== 0 && logical > physical) {
    wrong(
      context,
      table,
      sizes[0],
      `${table}.${sizes[0]} is ${logical}, larger than the physical one, ${physical}`,
      rank.hypervisor,
    );
  }
}

function checkVfio(context: CheckContext, table: string, values: EffectiveHypervisor): void {
  const { cold_plug_vfio: cold, hot_plug_vfio: hot, machine_type: machine } = values;
  if (cold !== "no-port" && hot !== "no-port") {
    wrong(
      context,
      table,
      "cold_plug_vfio",
      `${table}: cold_plug_vfio and hot_plug_vfio are set: only one of them can be set`,
      rank.hypervisor,
    );
  }
  const taken = table === "hypervisor.clh" ? ["root-port"] : ["bridge-port", "root-port", "switch-port"];
  for (const [key, port] of [["cold_plug_vfio", cold] as const, ["hot_plug_vfio", hot] as const]) {
    const counts = table === "hypervisor.clh" || machine === "q35" || machine === "virt";
    if (port === "no-port" || !counts || taken.includes(port)) continue;
    wrong(context, table, key, `${table}.${key} is ${port}, but must be one of ${taken.join(", ")}`, rank.hypervisor);
  }
}

function checkExtensionImages(fails: (key: string, reason: string) => void, values: EffectiveHypervisor): void {
  for (const { name = "", path = "", verity_params = "" } of values.guest_extension_images) {
    if (!/^[A-Za-z0-9_-]+$/.test(name)) {
      fails("guest_extension_images", `the name ${JSON.stringify(name)} must be of ASCII letters, digits, - and _`);
    }
    if (!path.startsWith("/")) fails("guest_extension_images", `the path of ${oneLine(name, 60)} must be absolute`);
    const fault = parseVerity(verity_params);
    if (typeof fault === "string") fails("guest_extension_images", `verity_params of ${oneLine(name, 60)}: ${fault}`);
  }
}

function checkRuntime(context: CheckContext): void {
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
  if (twice !== undefined) fails("sandbox_bind_mounts", `two of them end in ${oneLine(twice, 60)}`);
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

function checkNetwork(context: CheckContext): void {
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

function checkMachine(context: CheckContext): void {
  const { chosen, hypervisors } = context.effective;
  const table = `hypervisor.${chosen}`;
  if (hypervisors[chosen].default_memory === 0) {
    wrong(context, table, "default_memory", `${table}.default_memory: VM memory cannot be zero`, rank.machine);
  }
}

/** In the order of release 1.6. What `auto` asks for is done where it can be, so it excludes nothing. */
function checkFactory(context: CheckContext): void {
  const { factory, hypervisors, chosen, era, agentTable } = context.effective;
  const fails = (key: string, reason: string): void =>
    wrong(context, "factory", key, `factory.${key}: ${reason}`, rank.factory);
  const template = factory.enable_template === true;
  const cache = factory.vm_cache_number > 0;
  const { use_vsock: vsock, initrd } = hypervisors[chosen];
  const old = era !== "3.x";
  if (template && cache && old) fails("enable_template", "VM factory cannot work together with VM cache");
  if (template && initrd === "" && old) {
    fails("enable_template", "Factory option enable_template requires an initrd image");
  }
  if (template && vsock && old) {
    fails("enable_template", "config vsock conflicts with factory, please disable one of them");
  }
  if (!cache) return;
  if (context.effective.hypervisor !== "qemu") fails("vm_cache_number", "VM cache just support qemu");
  if (old && agentTable !== "agent.kata") fails("vm_cache_number", "VM cache just support kata agent");
  if (old && vsock) fails("vm_cache_number", "config vsock conflicts with VM cache, please disable one of them");
}
