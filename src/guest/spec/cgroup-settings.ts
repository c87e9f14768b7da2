/**
 * Converts `linux.resources` to settings of cgroup v2, the only version in the guest. Pure.
 * The specification has the semantics of v1; the conversions are those of runc and crun. Zero means "not given".
 */
import { blockIoSettings } from "./cgroup-block-io.ts";
import { hugepageSettings, rdmaSettings, unifiedSettings } from "./cgroup-by-name.ts";
import type { Fields } from "./fields.ts";
import type { CgroupSetting } from "./plan.ts";
import { wrong } from "./wrong.ts";

export interface SettingsContext {
  /** Called with one phrase for each setting that is accepted but not applied. */
  readonly notApplied: (phrase: string) => void;
  /**
   * Content of a file of the cgroup, since an update keeps what it does not name. Default: none, as for a new cgroup.
   */
  readonly current?: (file: string) => string | undefined;
}

/** Limits come first, then `unified`, which takes precedence because it is written later. */
export function readCgroupSettings(resources: Fields | undefined, context: SettingsContext): CgroupSetting[] {
  if (resources === undefined) return [];
  // v2 has no such controller; packets are marked by other means, which the specification does not cover.
  if (resources.has("network")) context.notApplied("linux.resources.network");
  return [
    ...memorySettings(resources.object("memory"), context),
    ...cpuSettings(resources.object("cpu"), context),
    ...pidsSettings(resources.object("pids")),
    ...blockIoSettings(resources.object("blockIO"), context.notApplied),
    ...hugepageSettings(resources),
    ...rdmaSettings(resources.object("rdma")),
    ...unifiedSettings(resources),
  ];
}

function memorySettings(memory: Fields | undefined, context: SettingsContext): CgroupSetting[] {
  if (memory === undefined) return [];
  const settings: CgroupSetting[] = [];
  const limit = memory.int64("limit") ?? 0n;
  const reservation = memory.int64("reservation") ?? 0n;
  const swap = swapText(memory, limit, context);
  if (memory.flag("checkBeforeUpdate")) checkUsage(memory, limit, context);
  // Comes before the memory limit, so that swap is already available when lowering that limit reclaims memory.
  if (swap !== undefined) settings.push({ key: memory.key("swap"), file: "memory.swap.max", value: swap });
  if (limit !== 0n) settings.push({ key: memory.key("limit"), file: "memory.max", value: limitText(limit) });
  if (reservation !== 0n) {
    settings.push({ key: memory.key("reservation"), file: "memory.low", value: limitText(reservation) });
  }
  noteMemory(memory, context);
  return settings;
}

/** v1 counts memory and swap together, v2 counts swap alone. */
function swapText(memory: Fields, limit: bigint, { current }: SettingsContext): string | undefined {
  const swap = memory.int64("swap") ?? 0n;
  if (swap < 0n) return "max";
  if (swap === 0n) {
    // Removing the memory limit removes the swap limit, too.
    if (limit < 0n) return "max";
    // In a new specification, zero cannot be a total, so it disables swap. In an update, it means "not given".
    return limit === 0n && current === undefined && memory.has("swap") ? "0" : undefined;
  }
  const memoryLimit = limit === 0n ? currentLimit(current?.("memory.max")) : limit;
  if (memoryLimit <= 0n) throw wrong(memory.key("swap"), "needs a memory limit");
  if (swap < memoryLimit) {
    throw wrong(memory.key("swap"), `is below the memory limit: ${swap} < ${memoryLimit}`);
  }
  return String(swap - memoryLimit);
}

function currentLimit(text = "max"): bigint {
  return /^\d+$/.test(text) ? BigInt(text) : -1n;
}

function checkUsage(memory: Fields, limit: bigint, { current }: SettingsContext): void {
  const usage = BigInt(current?.("memory.current") ?? "0");
  const swap = memory.int64("swap") ?? 0n;
  for (const [name, value] of [["limit", limit] as const, ["swap", swap] as const]) {
    if (value > 0n && value <= usage) {
      throw wrong(
        memory.key(name),
        `is not above the memory in use, as checkBeforeUpdate requires: ${value} <= ${usage}`,
      );
    }
  }
}

/** Reports settings that v2 lacks; the kernel accounts its own memory together with the rest. */
function noteMemory(memory: Fields, { notApplied }: SettingsContext): void {
  for (const name of ["kernel", "kernelTCP"]) {
    if ((memory.int64(name) ?? 0n) !== 0n) notApplied(memory.key(name));
  }
  if (memory.uint64("swappiness") !== undefined) notApplied(memory.key("swappiness"));
  if (memory.flag("disableOOMKiller")) notApplied(memory.key("disableOOMKiller"));
}

function cpuSettings(cpu: Fields | undefined, context: SettingsContext): CgroupSetting[] {
  if (cpu === undefined) return [];
  const settings: CgroupSetting[] = [];
  const add = (name: string, file: string, value: string): void => {
    settings.push({ key: cpu.key(name), file, value });
  };
  const shares = cpu.uint64("shares") ?? 0n;
  const idle = cpu.integer("idle", 0, 1);
  // The weight of an idle cgroup cannot be set.
  if (idle === 0) add("idle", "cpu.idle", "0");
  if (shares !== 0n) add("shares", "cpu.weight", String(cpuWeight(shares)));
  if (idle === 1) add("idle", "cpu.idle", "1");
  settings.push(...bandwidth(cpu, context));
  const cpus = cpu.text("cpus") ?? "";
  const mems = cpu.text("mems") ?? "";
  if (cpus !== "") add("cpus", "cpuset.cpus", cpus);
  if (mems !== "") add("mems", "cpuset.mems", mems);
  // v2 has no limit for realtime processes.
  for (const name of ["realtimeRuntime", "realtimePeriod"]) {
    if ((cpu.int64(name) ?? 0n) !== 0n) context.notApplied(cpu.key(name));
  }
  return settings;
}

/** Quota and period share a file, so the one that is not given keeps its value. */
function bandwidth(cpu: Fields, { current }: SettingsContext): CgroupSetting[] {
  const quotaUs = cpu.int64("quota") ?? 0n;
  const periodUs = cpu.uint64("period") ?? 0n;
  const burstUs = cpu.uint64("burst");
  const settings: CgroupSetting[] = [];
  if (quotaUs !== 0n || periodUs !== 0n) {
    const [oldQuota = "max", oldPeriod = "100000"] = (current?.("cpu.max") ?? "")
      .split(" ")
      .filter((word) => word !== "");
    const quota = quotaUs === 0n ? oldQuota : limitText(quotaUs);
    const value = `${quota} ${periodUs === 0n ? oldPeriod : periodUs}`;
    // The kernel refuses a burst above the quota, even while both are being changed.
    if (burstUs !== undefined) settings.push({ key: cpu.key("burst"), file: "cpu.max.burst", value: "0" });
    settings.push({ key: cpu.key(quotaUs === 0n ? "period" : "quota"), file: "cpu.max", value });
  }
  if (burstUs !== undefined) settings.push({ key: cpu.key("burst"), file: "cpu.max.burst", value: String(burstUs) });
  return settings;
}

function pidsSettings(pids: Fields | undefined): CgroupSetting[] {
  const limit = pids?.int64("limit") ?? 0n;
  if (pids === undefined || limit === 0n) return [];
  return [{ key: pids.key("limit"), file: "pids.max", value: limitText(limit) }];
}

/** In v1, zero and negative values mean "no limit". */
function limitText(limit: bigint): string {
  return limit > 0n ? String(limit) : "max";
}

/** Maps the shares of v1, 2 to 262144, linearly to the weights 1 to 10000. */
function cpuWeight(shares: bigint): bigint {
  const clamped = shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares;
  return 1n + ((clamped - 2n) * 9999n) / 262_142n;
}
