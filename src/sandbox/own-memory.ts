/**
 * The memory of a machine that can be saved: a file without a name that a small process keeps, and that nobody else writes
 * to but the machine.
 */
import { machineCgroupsIn } from "../cgroups/sandbox-cgroups.ts";
import { descriptorPath, Keeper, memoryBytesOf } from "../factory/keeper/keeper.ts";
import type { Disk, MemoryBacking } from "../hypervisor/spec.ts";
import type { Journal } from "../persist/journal.ts";
import { copySparse } from "../storage/copy-file.ts";
import type { Sandbox } from "./sandbox.ts";

export interface SavableMachine {
  readonly keeper: Keeper;
  readonly memoryMiB: number;
  /** In the order in which the machine has them. */
  readonly disks: readonly Disk[];
}

export interface OwnMemory extends Pick<SavableMachine, "disks" | "memoryMiB"> {
  /** Its content is copied from elsewhere, by `Keeper.fill`. */
  readonly filled?: boolean;
}

/** In the journal, and of the sandbox from here on. @throws what `Keeper.start` does */
export async function ownMemory(
  sandbox: Sandbox,
  journal: Journal,
  { disks, memoryMiB, filled = false }: OwnMemory,
  signal: AbortSignal,
): Promise<Keeper> {
  const { os, config, id } = sandbox.host;
  await journal.record({ kind: "process", key: "keeper" });
  const keeper = await Keeper.start(
    os,
    {
      program: `${config.installRoot}/kumite`,
      key: id,
      memoryBytes: memoryBytesOf(memoryMiB),
      cgroups: machineCgroupsIn(journal.content.steps),
      filled,
    },
    signal,
  );
  sandbox.savable = { keeper, disks, memoryMiB };
  await journal.made("keeper", keeper.process);
  return keeper;
}

/** As `ownMemory`, of what is in the file `from`, which nobody changes. @throws also what `copySparse` does */
export async function copiedMemory(
  sandbox: Sandbox,
  journal: Journal,
  { from, ...own }: Pick<SavableMachine, "disks" | "memoryMiB"> & { readonly from: string },
  signal: AbortSignal,
): Promise<MemoryBacking> {
  const keeper = await ownMemory(sandbox, journal, { ...own, filled: true }, signal);
  await keeper.fill((path) => copySparse(sandbox.host.os, from, path, signal), signal);
  return ownBacking(keeper);
}

export function ownBacking({ process, memory }: Keeper): MemoryBacking {
  return { kind: "file", path: descriptorPath(process, memory), shared: true };
}
