/**
 * The memory and device state of a saved VM, held unchangeable by a keeper process. Every VM that continues from them
 * maps them privately. The keeper ends with this process and leaves nothing behind.
 */
import type { Config } from "../config/config.ts";
import { descriptorPath, Keeper, memoryBytesOf } from "../factory/keeper/keeper.ts";
import { copySparse } from "../storage/copy-file.ts";
import type { Os } from "../sys/os.ts";

export interface FrozenMemory extends AsyncDisposable {
  /** Paths, valid until this object is disposed. */
  readonly memory: string;
  readonly state: string;
}

export interface MemorySource {
  readonly memoryMiB: number;
  /** Path. */
  readonly memory: string;
  readonly state: Uint8Array;
}

/** @throws KumiteError `storage/failed`, `system/failed`, `timeout`, `aborted`; nothing is left then */
export async function holdMemory(
  os: Os,
  config: Config,
  { memoryMiB, memory, state }: MemorySource,
  signal: AbortSignal,
): Promise<FrozenMemory> {
  const program = `${config.installRoot}/kumite`;
  const request = { program, key: "snapshot", memoryBytes: memoryBytesOf(memoryMiB), cgroups: [], filled: true };
  const keeper = await Keeper.start(os, request, signal);
  try {
    await keeper.fill((path) => copySparse(os, memory, path, signal), signal);
    const sealed = await keeper.seal(state, signal);
    return {
      memory: descriptorPath(keeper.process, keeper.memory),
      state: descriptorPath(keeper.process, sealed),
      [Symbol.asyncDispose]: () => keeper[Symbol.asyncDispose](),
    };
  } catch (error) {
    await keeper[Symbol.asyncDispose]();
    throw error;
  }
}
