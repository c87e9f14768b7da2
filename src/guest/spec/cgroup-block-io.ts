/** Converts `linux.resources.blockIO` to cgroup v2 settings. Pure. */
import type { Fields } from "./fields.ts";
import type { CgroupSetting } from "./plan.ts";
import { wrong } from "./wrong.ts";

/** Bounds of a weight in cgroup v1, which is what the specification means. */
const leastWeight = 10;
const mostWeight = 1000;
const maxDeviceNumber = 0xffff_ffff;

/** The specification's lists of throttles, and their names in `io.max`. */
const throttles = {
  throttleReadBpsDevice: "rbps",
  throttleWriteBpsDevice: "wbps",
  throttleReadIOPSDevice: "riops",
  throttleWriteIOPSDevice: "wiops",
} as const;

export function blockIoSettings(io: Fields | undefined, notApplied: (phrase: string) => void): CgroupSetting[] {
  if (io === undefined) return [];
  const settings: CgroupSetting[] = [];
  const weight = readWeight(io, "weight");
  if (weight !== undefined) settings.push(weightSetting(io.key("weight"), "", weight));
  if ((io.uint32("leafWeight") ?? 0) !== 0) notApplied(io.key("leafWeight"));
  for (const device of io.objects("weightDevice")) {
    const own = readWeight(device, "weight");
    if (own !== undefined) settings.push(weightSetting(device.key("weight"), `${numberOf(device)} `, own));
    if ((device.uint32("leafWeight") ?? 0) !== 0) notApplied(device.key("leafWeight"));
  }
  for (const [list, name] of Object.entries(throttles)) {
    for (const device of io.objects(list)) {
      const rate = device.uint64("rate") ?? 0n;
      const value = `${numberOf(device)} ${name}=${rate === 0n ? "max" : rate}`;
      settings.push({ key: device.where, file: "io.max", value });
    }
  }
  return settings;
}

/** The BFQ scheduler takes the weights of v1. Otherwise they are mapped linearly to 1 to 10000. */
function weightSetting(key: string, device: string, weight: number): CgroupSetting {
  const spread = 1 + Math.floor(((weight - leastWeight) * 9999) / (mostWeight - leastWeight));
  return {
    key,
    file: "io.bfq.weight",
    value: `${device}${weight}`,
    instead: { file: "io.weight", value: `${device}${spread}` },
  };
}

function readWeight(fields: Fields, name: string): number | undefined {
  const weight = fields.uint32(name) ?? 0;
  if (weight === 0) return undefined;
  if (weight >= leastWeight && weight <= mostWeight) return weight;
  throw wrong(fields.key(name), `must be from ${leastWeight} to ${mostWeight}, not ${weight}`);
}

function numberOf(device: Fields): string {
  const part = (name: string): number => {
    const value = device.integer(name, 0, maxDeviceNumber);
    if (value === undefined) throw wrong(device.key(name), "is missing");
    return value;
  };
  return `${part("major")}:${part("minor")}`;
}
