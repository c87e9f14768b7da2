/**
 * The memory of a VM that can be saved: an unnamed file that a small process, the keeper, holds open. Only the VM
 * writes to it.
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
  /** In the order in which the VM has them. */
  readonly disks: readonly Disk[];
}

export interface OwnMemory extends Pick<SavableMachine, "disks" | "memoryMiB"> {
  /** The caller copies the content in with `Keeper.fill`. */
  readonly filled?: boolean;
}

/** Starts a keeper, which is in the journal first and belongs to the sandbox from then on. @throws as `Keeper.start` */
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

/** As `ownMemory`, with a copy of the file `from`, which must not change. @throws also as `copySparse` */
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
