/** A running sandbox, for programs: run processes in it, save it, fork it, close it. */
import { execProcess } from "../sandbox/exec.ts";
import type { Sandbox } from "../sandbox/sandbox.ts";
import type { Saving } from "../sandbox/saving.ts";
import { type FrozenSandbox, freezeSandbox, requireSavable } from "../sandbox/snapshot.ts";
import { startProcess } from "../sandbox/start.ts";
import { onAbort, throwIfAborted, unlimited } from "../util/abort.ts";
import { concat } from "../util/bytes.ts";
import { KumiteError } from "../util/errors.ts";
import { decodeUtf8 } from "../util/text.ts";
import { disksFor, placesFor, removeAll, startCopies } from "./copies.ts";
import { type FrozenMemory, holdMemory } from "./frozen-memory.ts";
import { type HostOptions, type ProcessOptions, processWith } from "./options.ts";
import { newId, removeSandbox, selfOf } from "./place.ts";
import { attachProcess, type ProcessExit, type RunningProcess } from "./process.ts";
import { writeSnapshot } from "./snapshot-directory.ts";

export interface ExecOptions extends ProcessOptions {
  /** Aborts the start. */
  readonly signal?: AbortSignal;
}

export interface RunOptions extends ExecOptions {
  /** Standard input; text is encoded as UTF-8. Default: empty. */
  readonly input?: string | Uint8Array;
  /** Limit in `bytes` for standard output and standard error each; default 16 MiB. */
  readonly maxOutputBytes?: number;
}

/** Exit and output of a process that has ended. */
export interface Finished extends ProcessExit {
  /** Decoded as UTF-8; invalid bytes are replaced. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface ForkOptions {
  /**
   * Whether the copy can itself be saved and forked, which costs it a copy of the memory. Default false: copies share
   * the memory that they do not change.
   */
  readonly savable?: boolean;
  readonly signal?: AbortSignal;
}

const defaultOutputBytes = 16 * 1024 * 1024;

export class LiveSandbox implements AsyncDisposable {
  /** The sandbox's id, also for the verbs of the command line. */
  readonly id: string;
  /** The sandbox's main process; the sandbox ends with it. */
  readonly main: RunningProcess;
  /** In a copy: the processes besides `main` that were running when it was saved. */
  readonly others: readonly RunningProcess[];
  readonly #sandbox: Sandbox;
  readonly #options: HostOptions;
  #execs = 0;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(
    sandbox: Sandbox,
    options: HostOptions,
    [main, ...others]: readonly [RunningProcess, ...RunningProcess[]],
  ) {
    this.id = sandbox.host.id;
    this.main = main;
    this.others = others;
    this.#sandbox = sandbox;
    this.#options = options;
  }

  /** Whether the sandbox can be saved and forked, and if not, why. */
  get saving(): Saving {
    return this.#sandbox.saving;
  }

  /** Pid of the VM's process (QEMU) on the host. @throws KumiteError `container/wrong-state` */
  get machinePid(): number {
    return this.#sandbox.running().vm.machine.pid;
  }

  /**
   * Starts a process; resolves when it runs. Its `exited` resolves only after both outputs have been read to their end.
   * @throws KumiteError `process/executable-not-found`, `container/wrong-state`, `oci/spec-invalid`
   */
  async exec(args: readonly [string, ...string[]], options: ExecOptions = {}): Promise<RunningProcess> {
    const sandbox = this.#sandbox;
    const { os, id } = sandbox.host;
    const { consoleSize: _none, ...own } = sandbox.container(id).bundle.spec.process;
    const document = { ...processWith(own, options), args: [...args], terminal: false };
    this.#execs += 1;
    // Unique across copies, which still have the processes of their original.
    const execId = `exec-${id}-${this.#execs}`.slice(-128);
    const process = execProcess(sandbox, { containerId: id, execId, document, terminal: false, relay: selfOf(os) });
    const running = await attachProcess(sandbox, process);
    // Waits while the container is frozen for a snapshot.
    await sandbox.snapshots.take(() => startProcess(sandbox, process.key, options.signal ?? unlimited()));
    return running;
  }

  /**
   * Runs a process to its end.
   * @throws as `exec`; KumiteError `usage/invalid` if it writes more than `maxOutputBytes`, after it was killed;
   * `aborted`
   */
  async run(args: readonly [string, ...string[]], options: RunOptions = {}): Promise<Finished> {
    const { input = "", maxOutputBytes = defaultOutputBytes, signal } = options;
    const process = await this.exec(args, options);
    const close = (): void => void process.close();
    const forget = onAbort(signal, close);
    try {
      const feeding = process.stdin.write(input).then(() => process.stdin.end());
      // It is not an error if the process does not read its input.
      feeding.catch(() => {});
      const [stdout, stderr, exit] = await Promise.all([
        collect(process.stdout, maxOutputBytes),
        collect(process.stderr, maxOutputBytes),
        process.exited,
      ]);
      throwIfAborted(signal);
      return { ...exit, stdout: decodeUtf8(stdout), stderr: decodeUtf8(stderr) };
    } catch (error) {
      await process.close();
      throw error;
    } finally {
      forget();
    }
  }

  /**
   * Writes the sandbox's present state to a new directory, for `openSnapshot`. The sandbox is stopped meanwhile.
   * @throws KumiteError `snapshot/impossible`, `container/wrong-state`, `storage/failed`; then the directory is removed
   */
  async save(directory: string, { signal = unlimited() }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    await writeSnapshot(this.#sandbox, directory, this.#options, signal);
  }

  /** Starts a copy of the sandbox, which continues beside it. @throws as `forkMany` */
  async fork(options: ForkOptions = {}): Promise<LiveSandbox> {
    const [fork] = await this.forkMany(1, options);
    return fork as LiveSandbox;
  }

  /**
   * Starts `count` copies of the sandbox's present state, all or none. The sandbox is stopped while its memory and
   * disks are copied, once for all copies.
   * @throws KumiteError `snapshot/impossible`, `container/wrong-state`, and errors of starting a VM
   */
  async forkMany(count: number, { savable = false, signal = unlimited() }: ForkOptions = {}): Promise<LiveSandbox[]> {
    const sandbox = this.#sandbox;
    const { os, config } = sandbox.host;
    const { memoryMiB } = requireSavable(sandbox);
    const container = { nameInGuest: this.id, ...sandbox.container(this.id) };
    const ids = Array.from({ length: count }, () => newId(os));
    const places = await placesFor(os, { ids, config, options: this.#options, savable }, { container });
    let memory: FrozenMemory | undefined;
    try {
      const copy = async (frozen: FrozenSandbox) => {
        const disks = await disksFor(places, frozen, signal);
        memory = await holdMemory(os, config, { ...frozen, memoryMiB }, signal);
        return { saved: frozen.saved, disks, memory };
      };
      const copied = await freezeSandbox(sandbox, copy, signal);
      await startCopies(os, places, { ...copied, savable }, signal);
      return await Promise.all(places.map((place) => liveSandbox(place, this.#options)));
    } catch (error) {
      await removeAll(places);
      throw error;
    } finally {
      // VMs that have mapped the memory do not need its keeper any more.
      await memory?.[Symbol.asyncDispose]();
    }
  }

  /** Ends all processes and removes the sandbox from the host. Idempotent. @throws KumiteError `cleanup/incomplete` */
  async close(): Promise<void> {
    this.#closing ??= removeSandbox(this.#sandbox);
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** @internal Takes the streams of all processes of a sandbox whose container runs. */
export async function liveSandbox(sandbox: Sandbox, options: HostOptions): Promise<LiveSandbox> {
  const [main, ...others] = sandbox.processes.of(sandbox.host.id);
  if (main === undefined) throw new KumiteError("internal", `sandbox ${sandbox.host.id} has no process`);
  const running = await Promise.all(others.map((process) => attachProcess(sandbox, process)));
  return new LiveSandbox(sandbox, options, [await attachProcess(sandbox, main), ...running]);
}

async function collect(pieces: AsyncIterable<Uint8Array>, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const piece of pieces) {
    parts.push(piece);
    length += piece.length;
    if (length > limit) throw new KumiteError("usage/invalid", `the process wrote more than ${limit} bytes of output`);
  }
  return concat(parts);
}
