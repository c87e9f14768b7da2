/**
 * Poststop hooks are run when a container has been deleted, by whoever deletes it: mostly a verb, long after the shim is
 * gone and perhaps the bundle too. So what they need is kept beside the journal from the moment the first hook is run.
 */
import type { Bundle } from "../oci/bundle.ts";
import { hooksSchema, type OciHook } from "../oci/spec.ts";
import { ociVersion } from "../oci/state.ts";
import { checkDocument } from "../oci/validate.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import type { Logger } from "../util/log.ts";
import { oneLine } from "../util/text.ts";
import { type HookState, runEveryHook } from "./hooks-run.ts";

export interface PoststopHooks {
  readonly hooks: readonly OciHook[];
  /** `stopped`. */
  readonly state: HookState;
}

type Warn = Pick<Logger, "warn"> | undefined;

const maxBytes = 4 * 1024 * 1024;

/** Without poststop hooks nothing is written. */
export async function keepPoststopHooks(os: Os, file: string, id: string, { path, spec }: Bundle): Promise<void> {
  const hooks = spec.hooks?.poststop ?? [];
  if (hooks.length === 0) return;
  const { annotations } = spec;
  const state: HookState = { ociVersion, id, status: "stopped", bundle: path, ...(annotations && { annotations }) };
  await os.files.replace(file, JSON.stringify({ hooks, state } satisfies PoststopHooks));
}

/** `undefined` when there are none. Those that cannot be read are told of, and keep no container from being deleted. */
export async function readPoststopHooks(os: Os, file: string, log: Warn): Promise<PoststopHooks | undefined> {
  try {
    const kept = parseJson(await os.files.readText(file, maxBytes));
    if (!isRecord(kept) || !isRecord(kept.state) || typeof kept.state.bundle !== "string") {
      throw new Error("it is not what was written");
    }
    checkDocument(hooksSchema(), { poststop: kept.hooks }, file);
    return kept as unknown as PoststopHooks;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    log?.warn(`the poststop hooks are not run: ${file}: ${messageOf(error)}`, { phase: "hook" });
    return undefined;
  }
}

/** A failing hook is only told of: there is nothing left that could be kept. */
export async function runPoststopHooks(
  os: Os,
  kept: PoststopHooks | undefined,
  directory: string,
  log: Warn,
): Promise<void> {
  if (kept === undefined) return;
  const failures = await runEveryHook(os, { name: "poststop", ...kept, directory });
  for (const error of failures) log?.warn(withCause(error), { container: kept.state.id, phase: "hook" });
}

function withCause(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? `: ${messageOf(error.cause)}` : "";
  return oneLine(`${messageOf(error)}${cause}`);
}
