/**
 * Poststop hooks run after a container has been deleted, in the process that deletes it. That is usually a verb, long
 * after the shim has ended and perhaps the bundle has been removed. What the hooks need is therefore stored next to the
 * journal before the first hook runs.
 */
import type { Bundle } from "../oci/bundle.ts";
import { hooksSchema, type OciHook } from "../oci/spec.ts";
import { ociVersion } from "../oci/state.ts";
import { checkDocument } from "../oci/validate.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, messageOf, messageWithCauses } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import type { Logger } from "../util/log.ts";
import { oneLine } from "../util/text.ts";
import { type HookState, runEveryHook } from "./hooks-run.ts";

export interface PoststopHooks {
  readonly hooks: readonly OciHook[];
  /** Its status is `stopped`. */
  readonly state: HookState;
}

type Warn = Pick<Logger, "warn"> | undefined;

const maxBytes = 4 * 1024 * 1024;

/** Writes nothing if there are no poststop hooks. */
export async function keepPoststopHooks(os: Os, file: string, id: string, { path, spec }: Bundle): Promise<void> {
  const hooks = spec.hooks?.poststop ?? [];
  if (hooks.length === 0) return;
  const { annotations } = spec;
  const state: HookState = { ociVersion, id, status: "stopped", bundle: path, ...(annotations && { annotations }) };
  await os.files.replace(file, JSON.stringify({ hooks, state } satisfies PoststopHooks));
}

/** `undefined` if there are none. Hooks that cannot be read are logged; they must not prevent the deletion. */
export async function readPoststopHooks(os: Os, file: string, log: Warn): Promise<PoststopHooks | undefined> {
  try {
    const kept = parseJson(await os.files.readText(file, maxBytes));
    if (!isRecord(kept) || !isRecord(kept.state) || typeof kept.state.bundle !== "string") {
      throw new Error("its content is not valid");
    }
    checkDocument(hooksSchema(), { poststop: kept.hooks }, file);
    return kept as unknown as PoststopHooks;
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return undefined;
    log?.warn(`the poststop hooks are not run: ${file}: ${messageOf(error)}`, { phase: "hook" });
    return undefined;
  }
}

/** A failing hook is only logged: the container is deleted already. */
export async function runPoststopHooks(
  os: Os,
  kept: PoststopHooks | undefined,
  directory: string,
  log: Warn,
): Promise<void> {
  if (kept === undefined) return;
  const failures = await runEveryHook(os, { name: "poststop", ...kept, directory });
  for (const error of failures)
    log?.warn(oneLine(messageWithCauses(error)), { container: kept.state.id, phase: "hook" });
}
