/**
 * The disks of a clone that the command makes while the shim starts, and the file that tells the shim about them. The
 * file names the template and the image that the disks were made from, so that a shim that chooses others does not use
 * them. Without the file there are no such disks.
 */
import type { SandboxPaths } from "../persist/paths.ts";
import type { ReadyImage } from "../storage/rootfs/make-rootfs.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { isSystemError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";

export interface AheadLayers {
  /** The keeper of the template whose empty upper layer was copied. */
  readonly keeper: ProcessId;
  /** The copy of the empty upper layer. */
  readonly upper: string;
  readonly lower: ReadyImage;
}

const maxBytes = 64 * 1024;

/** Call before the shim is started. The file is removed together with the sandbox's directory. */
export async function tellOfLayers(os: Os, { layers }: SandboxPaths, told: AheadLayers): Promise<void> {
  await os.files.write(layers, JSON.stringify(told), { mode: 0o600 });
}

/** `undefined` if the command made no disks. */
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
