/**
 * `linux.resources` as settings of a version 2 hierarchy, the only one in the guest. Pure.
 * The specification speaks version 1; the conversions are those that runc and crun share.
 */
import { type Fields, wrong } from "./fields.ts";
import type { CgroupSetting } from "./plan.ts";

/** Limits first, then what `unified` says, which wins by being written later. */
export function readCgroupSettings(
  resources: Fields | undefined,
  notApplied: (phrase: string) => void,
): CgroupSetting[] {
  if (resources === undefined) return [];
  if (resources.objects("devices").length > 0) notApplied("device rules (linux.resources.devices)");
  for (const name of ["blockIO", "hugepageLimits", "network", "rdma"]) {
    if (resources.has(name)) notApplied(`linux.resources.${name}`);
  }
  return [
    ...memorySettings(resources.object("memory")),
    ...cpuSettings(resources.object("cpu")),
    ...pidsSettings(resources.object("pids")),
    ...unifiedSettings(resources),
  ];
}

function memorySettings(memory: Fields | undefined): CgroupSetting[] {
  if (memory === undefined) return [];
  const settings: CgroupSetting[] = [];
  const limit = memory.int64("limit") ?? 0n;
  const swap = memory.int64("swap") ?? 0n;
  const reservation = memory.int64("reservation") ?? 0n;
  if (limit !== 0n) settings.push({ file: "memory.max", value: limitText(limit) });
  // Version 1 counts memory and swap together, version 2 swap alone.
  if (swap < 0n) settings.push({ file: "memory.swap.max", value: "max" });
  else if (swap > 0n) {
    if (limit <= 0n) throw wrong(memory.key("swap"), "needs a memory limit");
    if (swap < limit) throw wrong(memory.key("swap"), `is below the memory limit: ${swap} < ${limit}`);
    settings.push({ file: "memory.swap.max", value: String(swap - limit) });
  }
  if (reservation !== 0n) settings.push({ file: "memory.low", value: limitText(reservation) });
  return settings;
}

function cpuSettings(cpu: Fields | undefined): CgroupSetting[] {
  if (cpu === undefined) return [];
  const settings: CgroupSetting[] = [];
  const shares = cpu.uint64("shares") ?? 0n;
  const quotaUs = cpu.int64("quota") ?? 0n;
  const periodUs = cpu.uint64("period") ?? 0n;
  const burstUs = cpu.uint64("burst");
  const idle = cpu.int64("idle");
  const cpus = cpu.text("cpus") ?? "";
  const mems = cpu.text("mems") ?? "";
  if (shares !== 0n) settings.push({ file: "cpu.weight", value: String(cpuWeight(shares)) });
  if (quotaUs !== 0n || periodUs !== 0n) {
    settings.push({ file: "cpu.max", value: `${limitText(quotaUs)} ${periodUs === 0n ? 100_000n : periodUs}` });
  }
  if (burstUs !== undefined) settings.push({ file: "cpu.max.burst", value: String(burstUs) });
  if (idle !== undefined) settings.push({ file: "cpu.idle", value: String(idle) });
  if (cpus !== "") settings.push({ file: "cpuset.cpus", value: cpus });
  if (mems !== "") settings.push({ file: "cpuset.mems", value: mems });
  return settings;
}

function pidsSettings(pids: Fields | undefined): CgroupSetting[] {
  const limit = pids?.int64("limit") ?? 0n;
  return limit === 0n ? [] : [{ file: "pids.max", value: limitText(limit) }];
}

function unifiedSettings(resources: Fields): CgroupSetting[] {
  return resources.pairs("unified").map(([file, value]) => {
    // The name becomes a path below the cgroup's directory.
    if (file === "" || file.includes("/") || file.startsWith(".") || file.startsWith("cgroup.")) {
      throw wrong(resources.key("unified"), `has no resource of that name: ${JSON.stringify(file)}`);
    }
    return { file, value };
  });
}

/** Not positive is how version 1 says "no limit". */
function limitText(limit: bigint): string {
  return limit > 0n ? String(limit) : "max";
}

/** Shares of version 1, 2 to 262144, spread evenly over the weights 1 to 10000. */
function cpuWeight(shares: bigint): bigint {
  const clamped = shares < 2n ? 2n : shares > 262_144n ? 262_144n : shares;
  return 1n + ((clamped - 2n) * 9999n) / 262_142n;
}
