/**
 * Disks of a clone that the command has made while the shim starts, and what it tells the shim of them: which they are and what
 * they are of, so that one that decides otherwise does not take them. Whoever finds no such file has no such disks.
 */
import type { SandboxPaths } from "../persist/paths.ts";
import type { ReadyImage } from "../storage/rootfs/make-rootfs.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";

export interface AheadLayers {
  /** Of the template whose empty layer was copied. */
  readonly keeper: ProcessId;
  /** The copy. */
  readonly upper: string;
  readonly lower: ReadyImage;
}

const maxBytes = 64 * 1024;

/** Before the shim is started: it goes with the directory of the sandbox. */
export async function tellOfLayers(os: Os, { layers }: SandboxPaths, told: AheadLayers): Promise<void> {
  await os.files.write(layers, JSON.stringify(told), { mode: 0o600 });
}

/** `undefined` where there are none. */
export async function toldLayers(os: Os, { layers }: SandboxPaths): Promise<AheadLayers | undefined> {
  try {
    const told = parseJson(await os.files.readText(layers, maxBytes));
    return isAheadLayers(told) ? told : undefined;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isAheadLayers(value: unknown): value is AheadLayers {
  if (!isRecord(value) || typeof value.upper !== "string") return false;
  const { keeper, lower } = value;
  if (!isRecord(keeper) || !Number.isSafeInteger(keeper.pid) || !Number.isSafeInteger(keeper.startTicks)) return false;
  return isRecord(lower) && typeof lower.directory === "string" && typeof lower.path === "string";
}
