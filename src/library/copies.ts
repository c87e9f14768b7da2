/** Starts sandboxes that continue from a copy, each with its own state directory: all of them or none. */
import type { Config } from "../config/config.ts";
import { type CopiedDisks, copyDisks, type RestoreOptions, restoreSandbox } from "../sandbox/restore.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { SavedSandbox } from "../sandbox/snapshot.ts";
import type { Os } from "../sys/os.ts";
import { linked } from "../util/abort.ts";
import type { FrozenMemory } from "./frozen-memory.ts";
import type { HostOptions } from "./options.ts";
import { prepare, removeSandbox, selfOf } from "./place.ts";

export interface CopyRequest {
  readonly ids: readonly string[];
  readonly config: Config;
  readonly options: HostOptions;
  readonly savable: boolean;
}

/** Claims ids and state directories for the copies. @throws as `prepare` */
export async function placesFor(
  os: Os,
  { ids, config, options, savable }: CopyRequest,
  { container }: Pick<SavedSandbox, "container">,
): Promise<Sandbox[]> {
  const { cgroupsPath: _others, ...linux } = container.bundle.spec.linux;
  const bundle = { ...container.bundle, spec: { ...container.bundle.spec, linux } };
  return await allOrNone(ids, (id) =>
    prepare(os, { id, bundle, config, options, ...(savable && { saves: "required" as const }) }),
  );
}

/** Waits for all copies even if one fails: a copy must not appear after it was undone. @throws as `copyDisks` */
export async function disksFor(
  places: readonly Sandbox[],
  from: CopiedDisks,
  signal: AbortSignal,
): Promise<CopiedDisks[]> {
  const copies = await Promise.allSettled(places.map((place) => copyDisks(place, from, signal)));
  return copies.map((copy) => {
    if (copy.status === "rejected") throw copy.reason;
    return copy.value;
  });
}

/** Starts all copies. @throws as `restoreSandbox` */
export async function startCopies(
  os: Os,
  places: readonly Sandbox[],
  {
    saved,
    memory,
    disks,
    savable,
  }: {
    readonly saved: SavedSandbox;
    readonly memory: FrozenMemory;
    readonly disks: readonly CopiedDisks[];
    readonly savable: boolean;
  },
  signal: AbortSignal,
): Promise<void> {
  const { memory: ram, state } = memory;
  const starts = places.map(async (place, index) => {
    const options: RestoreOptions = { hostname: place.host.id.slice(0, 64), relay: selfOf(os), savable };
    const copied = { saved, memory: ram, state, disks: disks[index] as CopiedDisks };
    // One signal per copy, because many listeners are added while a VM starts.
    const own = linked(signal);
    await restoreSandbox(place, copied, options, own.signal).finally(() => own.unlink());
  });
  const failed = (await Promise.allSettled(starts)).find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function allOrNone(ids: readonly string[], make: (id: string) => Promise<Sandbox>): Promise<Sandbox[]> {
  const made: Sandbox[] = [];
  try {
    for (const id of ids) made.push(await make(id));
    return made;
  } catch (error) {
    await removeAll(made);
    throw error;
  }
}

/** Never rejects: what could not be removed stays in the journals. */
export async function removeAll(places: readonly Sandbox[]): Promise<void> {
  await Promise.allSettled(places.map(removeSandbox));
}
