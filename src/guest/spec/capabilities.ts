/**
 * Converts names of capabilities to the kernel's masks (capabilities(7)).
 * Pure; which of them the running kernel knows is determined where they are applied.
 */
import { type CapabilityName, capabilityNames } from "../../oci/capabilities.ts";
import type { Fields } from "./fields.ts";
import type { CapabilitySets } from "./plan.ts";

export function capabilityNumber(name: CapabilityName): number {
  return capabilityNames.indexOf(name);
}

const bitByName: ReadonlyMap<string, bigint> = new Map(
  capabilityNames.map((name, number) => [name, 1n << BigInt(number)]),
);

const noCapabilities: CapabilitySets = { bounding: 0n, effective: 0n, inheritable: 0n, permitted: 0n, ambient: 0n };

/**
 * Reads `process.capabilities`; without it, a process has none. An unknown name grants nothing, so it is reported to
 * `ignored` instead of failing the container: engines know newer kernels than the guest's.
 */
export function readCapabilities(process: Fields, ignored: (phrase: string) => void): CapabilitySets {
  const fields = process.object("capabilities");
  if (fields === undefined) return noCapabilities;
  const mask = (set: string): bigint => {
    let bits = 0n;
    for (const name of fields.texts(set)) {
      const bit = bitByName.get(name) ?? bitByName.get(name.toUpperCase());
      if (bit === undefined) ignored(`unknown capability ${JSON.stringify(name)}`);
      else bits |= bit;
    }
    return bits;
  };
  const sets = {
    bounding: mask("bounding"),
    effective: mask("effective"),
    inheritable: mask("inheritable"),
    permitted: mask("permitted"),
    ambient: mask("ambient"),
  };
  const { effective, inheritable, permitted, ambient } = sets;
  tellLeftOut(fields.key("effective"), effective & ~permitted, "permitted", ignored);
  tellLeftOut(fields.key("ambient"), ambient & ~(permitted & inheritable), "permitted and inheritable", ignored);
  return sets;
}

/** Reports also capabilities that the kernel would not grant (runtime-spec, "Linux Process"). */
function tellLeftOut(key: string, bits: bigint, wanted: string, ignored: (phrase: string) => void): void {
  if (bits === 0n) return;
  const names = capabilityNames.filter((_, number) => ((bits >> BigInt(number)) & 1n) === 1n);
  ignored(`${key}: ${names.join(", ")}, which must also be ${wanted}`);
}
