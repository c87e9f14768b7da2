/** An open snapshot, from which sandboxes can be restored any number of times. */
import type { Config } from "../config/config.ts";
import type { SavedSandbox } from "../sandbox/snapshot.ts";
import type { Os } from "../sys/os.ts";
import { unlimited } from "../util/abort.ts";
import { disksFor, placesFor, removeAll, startCopies } from "./copies.ts";
import type { FrozenMemory } from "./frozen-memory.ts";
import { type ForkOptions, type LiveSandbox, liveSandbox } from "./live-sandbox.ts";
import type { HostOptions } from "./options.ts";
import { newId } from "./place.ts";
import type { SnapshotFiles } from "./snapshot-directory.ts";

/** @internal */
export interface SnapshotParts {
  readonly os: Os;
  readonly config: Config;
  readonly options: HostOptions;
  readonly saved: SavedSandbox;
  readonly files: SnapshotFiles;
  readonly memory: FrozenMemory;
  readonly savedMs: number;
}

export interface RestoreSandboxOptions extends ForkOptions {
  /** The sandbox's id, also used as host name. Default: a generated one. */
  readonly id?: string;
}

export class Snapshot implements AsyncDisposable {
  readonly directory: string;
  /** Milliseconds since 1970. */
  readonly savedMs: number;
  readonly #parts: SnapshotParts;

  /** @internal */
  constructor(parts: SnapshotParts) {
    this.directory = parts.files.directory;
    this.savedMs = parts.savedMs;
    this.#parts = parts;
  }

  /**
   * Starts a sandbox that continues from the saved state. It does not need this object or the directory afterwards.
   * @throws KumiteError `snapshot/invalid` if this host's VM differs from the saved one, and errors of starting a VM
   */
  async restore(options: RestoreSandboxOptions = {}): Promise<LiveSandbox> {
    const { os, config, options: host, saved, files, memory } = this.#parts;
    const { id = newId(os), savable = false, signal = unlimited() } = options;
    const places = await placesFor(os, { ids: [id], config, options: host, savable }, saved);
    try {
      const disks = await disksFor(places, files, signal);
      await startCopies(os, places, { saved, memory, disks, savable }, signal);
      const [live] = await Promise.all(places.map((place) => liveSandbox(place, host)));
      return live as LiveSandbox;
    } catch (error) {
      await removeAll(places);
      throw error;
    }
  }

  /** Releases the memory; the directory is kept. Idempotent. */
  async close(): Promise<void> {
    await this.#parts.memory[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
