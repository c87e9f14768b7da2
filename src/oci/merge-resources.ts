/**
 * Applies an update to `linux.resources`: given values replace the old ones; missing values and zeros keep them. Pure.
 */
import type { OciResources } from "./spec.ts";

type BlockIO = NonNullable<OciResources["blockIO"]>;

/** Keys for which zero is a value of its own and does not mean "not given". */
const zeroCounts: ReadonlySet<string> = new Set(["burst", "idle", "swappiness", "rate"]);

export function mergeResources(old: OciResources, update: OciResources): OciResources {
  return {
    ...old,
    ...section("memory", old.memory, update.memory),
    ...section("cpu", old.cpu, update.cpu),
    ...section("pids", old.pids, update.pids),
    ...section("network", old.network, update.network),
    ...section("rdma", old.rdma, update.rdma),
    ...section("unified", old.unified, update.unified),
    ...(update.blockIO !== undefined && { blockIO: mergeBlockIo(old.blockIO ?? {}, update.blockIO) }),
    ...(update.hugepageLimits !== undefined && {
      hugepageLimits: byKey(old.hugepageLimits, update.hugepageLimits, ({ pageSize }) => pageSize),
    }),
  };
}

function section<Name extends string, Section extends object>(
  name: Name,
  old: Section | undefined,
  update: Section | undefined,
): { [Key in Name]?: Section } {
  if (update === undefined) return {};
  return { [name]: { ...old, ...given(update) } } as { [Key in Name]?: Section };
}

function given<Section extends object>(values: Section): Partial<Section> {
  const entries = Object.entries(values).filter(([key, value]) => {
    return value !== undefined && value !== "" && (value !== 0 || zeroCounts.has(key));
  });
  return Object.fromEntries(entries) as Partial<Section>;
}

function mergeBlockIo(old: BlockIO, update: BlockIO): BlockIO {
  const merged: BlockIO = { ...old, ...given(update) };
  const number = ({ major, minor }: { major: number; minor: number }) => `${major}:${minor}`;
  if (update.weightDevice !== undefined) merged.weightDevice = byKey(old.weightDevice, update.weightDevice, number);
  for (const list of [
    "throttleReadBpsDevice",
    "throttleWriteBpsDevice",
    "throttleReadIOPSDevice",
    "throttleWriteIOPSDevice",
  ] as const) {
    const changes = update[list];
    if (changes !== undefined) merged[list] = byKey(old[list], changes, number);
  }
  return merged;
}

function byKey<Item>(old: readonly Item[] | undefined, update: readonly Item[], key: (item: Item) => string): Item[] {
  return [...new Map([...(old ?? []), ...update].map((item) => [key(item), item])).values()];
}
