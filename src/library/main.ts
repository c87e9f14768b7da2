/** The library's entry functions, on Node. */
import { createSandbox } from "../sandbox/create.ts";
import { startProcess } from "../sandbox/start.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import type { Os } from "../sys/os.ts";
import { unlimited } from "../util/abort.ts";
import { dirName } from "../util/path.ts";
import { holdMemory } from "./frozen-memory.ts";
import { type LiveSandbox, liveSandbox } from "./live-sandbox.ts";
import { bundleFor, configFor, type HostOptions, type SandboxOptions } from "./options.ts";
import { newId, prepare, removeSandbox, selfOf } from "./place.ts";
import { Snapshot } from "./snapshot.ts";
import { readSnapshot } from "./snapshot-directory.ts";

/**
 * Starts a VM with a container in it; resolves when the main process runs. The sandbox lives in the calling process and
 * ends with it.
 *
 * @throws KumiteError `usage/invalid`, `config/invalid`, `oci/bundle-invalid`, `oci/spec-invalid`, `container/exists`;
 *   `snapshot/impossible` if `savable` is true and it cannot be saved; and errors of the start. Nothing is left then
 */
export async function openSandbox(options: SandboxOptions): Promise<LiveSandbox> {
  const { os, installRoot } = host();
  const { id = newId(os), savable, signal = unlimited() } = options;
  const config = await configFor(os, installRoot, options);
  const bundle = await bundleFor(os, id, options);
  const saves = savable === false ? undefined : savable === true ? "required" : "if-possible";
  const sandbox = await prepare(os, { id, bundle, config, options, ...(saves !== undefined && { saves }) });
  try {
    const request = {
      id,
      bundle: bundle.path,
      document: bundle.spec,
      configFile: bundle.configFile,
      relay: selfOf(os),
    };
    await createSandbox(sandbox, request, signal);
    const live = await liveSandbox(sandbox, options);
    await startProcess(sandbox, { containerId: id, execId: undefined }, signal);
    return live;
  } catch (error) {
    await removeSandbox(sandbox);
    throw error;
  }
}

/** Options besides those of the VM, which the snapshot contains. */
export interface SnapshotOptions extends Pick<HostOptions, "root" | "log"> {
  readonly signal?: AbortSignal;
}

/**
 * Reads and checks a snapshot that `LiveSandbox.save` has written, and holds its memory for the sandboxes restored from
 * it.
 * @throws KumiteError `snapshot/invalid`, with the reason; `config/invalid`
 */
export async function openSnapshot(directory: string, options: SnapshotOptions = {}): Promise<Snapshot> {
  const { os, installRoot } = host();
  const { signal = unlimited(), ...place } = options;
  const { files, machine, saved, savedMs, state } = await readSnapshot(os, directory, signal);
  const config = await configFor(os, installRoot, machine);
  const { memoryMiB } = saved;
  const memory = await holdMemory(os, config, { memoryMiB, memory: files.memory, state }, signal);
  return new Snapshot({ os, config, options: { ...machine, ...place }, saved, files, memory, savedMs });
}

let known: { readonly os: Os; readonly installRoot: string } | undefined;

/** Shared by all sandboxes, because it may have a helper process. */
function host(): { readonly os: Os; readonly installRoot: string } {
  if (known === undefined) {
    const installRoot = installRootOf(decodeURIComponent(new URL(import.meta.url).pathname));
    known = { os: nodeOs({ installRoot }), installRoot };
  }
  return known;
}

/** The bundled library is in the install root. The sources use the one that `npm run setup` builds beside them. */
function installRootOf(file: string): string {
  const directory = dirName(file);
  return directory.endsWith("/src/library") ? `${dirName(dirName(directory))}/build/libexec/kumite` : directory;
}
