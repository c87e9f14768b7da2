/**
 * Hooks that the guest itself has for all containers: the executables in `<guest_hook_path>/prestart`, `poststart` and
 * `poststop`, in the order of their names. Unlike a specification's hooks that run in the guest, they run beside the
 * containers, with the agent's namespaces and privileges. The code is loaded when a sandbox first names such a
 * directory.
 */
import { whenExited } from "../../sys/engine/reaper.ts";
import { mkdir, readdir, rmdir, unlink } from "../../sys/linux/directory.ts";
import { closeQuietly, lseek, MFD_CLOEXEC, memfd_create, read, SEEK_SET, writeAll } from "../../sys/linux/file.ts";
import { startProgram } from "../../sys/linux/process.ts";
import { killIfExists, SIGKILL } from "../../sys/linux/signal.ts";
import { S_IFMT, S_IFREG, stat } from "../../sys/linux/stat.ts";
import { writeFile } from "../../sys/linux/whole-file.ts";
import type { ExitStatus } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import type { HooksPlan } from "../spec/plan.ts";

export type GuestHookKind = "prestart" | "poststart" | "poststop";

/** For one hook; the host waits for all of them. */
const timeoutMs = 10_000;
/** How much of the output an error message quotes. */
const maxOutputBytes = 1024;
const environment = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"];
/** Where hooks look for a container's specification, as with other agents. */
const bundles = "/run/libcontainer";

/** The hooks for one container. */
export class GuestHooks {
  readonly #directory: string;
  readonly #log: Logger;
  readonly #state: HooksPlan["state"];

  /** Writes the specification where hooks look for it; `close` removes it. */
  constructor(directory: string, log: Logger, state: HooksPlan["state"], document: unknown) {
    this.#directory = directory;
    this.#log = log;
    this.#state = { ...state, bundle: `${bundles}/${state.id}` };
    makeDirectory(bundles);
    makeDirectory(this.#state.bundle);
    writeFile(`${this.#state.bundle}/config.json`, JSON.stringify(document));
  }

  /**
   * Runs after the container's mounts are made and before its root file system is entered.
   * @throws KumiteError `hook/failed` for the first hook that fails; those after it are not run
   */
  async prestart(pid: number, signal: AbortSignal): Promise<void> {
    for (const path of this.#of("prestart")) await this.#run(path, "prestart", { status: "creating", pid }, signal);
  }

  /** Failures are only logged, since the program runs already. */
  async poststart(pid: number, signal: AbortSignal): Promise<void> {
    await this.#runAndTell("poststart", { status: "running", pid }, signal);
  }

  async poststop(signal: AbortSignal): Promise<void> {
    await this.#runAndTell("poststop", { status: "stopped" }, signal);
  }

  close(): void {
    unlink(`${this.#state.bundle}/config.json`);
    rmdir(this.#state.bundle);
  }

  /** Missing or unusable hooks do not fail the container, as with Kata Containers. */
  #of(kind: GuestHookKind): string[] {
    const directory = `${this.#directory}/${kind}`;
    try {
      const names = readdir(directory).map(({ name }) => name);
      return names
        .sort((a, b) => (a < b ? -1 : 1))
        .map((name) => `${directory}/${name}`)
        .filter((path) => this.#isHook(path));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      if (error.errno !== "ENOENT" || kind === "prestart") {
        this.#log.warn(`the guest's own hooks are not run: ${messageOf(error)}`, { container: this.#state.id });
      }
      return [];
    }
  }

  #isHook(path: string): boolean {
    const { mode } = stat(path);
    if ((mode & S_IFMT) === S_IFREG && (mode & 0o111) !== 0) return true;
    this.#log.warn(`${path} is not executable, so it is not run as a hook`, { container: this.#state.id });
    return false;
  }

  async #runAndTell(kind: GuestHookKind, now: object, signal: AbortSignal): Promise<void> {
    for (const path of this.#of(kind)) {
      try {
        await this.#run(path, kind, now, signal);
      } catch (error) {
        this.#log.warn(messageOf(error), { container: this.#state.id });
      }
    }
  }

  async #run(path: string, kind: GuestHookKind, now: object, signal: AbortSignal): Promise<void> {
    const [input, output] = [memfd_create("state", MFD_CLOEXEC), memfd_create("output", MFD_CLOEXEC)];
    try {
      writeAll(input, encodeUtf8(JSON.stringify({ ...this.#state, ...now })));
      lseek(input, 0, SEEK_SET);
      const pid = start(path, kind, input, output);
      const status = await ended(path, pid, signal);
      if (status.kind === "exited" && status.status === 0) return;
      const how = status.kind === "exited" ? `exited with status ${status.status}` : `was killed by ${status.signal}`;
      const said = textOf(output);
      throw failed(path, `${how}${said === "" ? "" : `: ${said}`}`);
    } finally {
      closeQuietly(input);
      closeQuietly(output);
    }
  }
}

function start(path: string, kind: GuestHookKind, input: number, output: number): number {
  try {
    return startProgram([input, output, output], path, [path, kind], environment);
  } catch (error) {
    throw failed(path, `could not be started: ${messageOf(error)}`);
  }
}

async function ended(path: string, pid: number, signal: AbortSignal): Promise<ExitStatus> {
  const exited = whenExited(pid);
  try {
    return await withDeadline(timeoutMs, "it", () => exited, signal);
  } catch (error) {
    // The hook leads its session, so this also kills the processes it started.
    killIfExists(-pid, SIGKILL);
    await exited;
    throw failed(path, `was killed: ${messageOf(error)}`);
  }
}

function makeDirectory(path: string): void {
  try {
    mkdir(path, 0o700);
  } catch (error) {
    if (!isSystemError(error, "EEXIST")) throw error;
  }
}

function textOf(output: number): string {
  const buffer = new Uint8Array(maxOutputBytes);
  lseek(output, 0, SEEK_SET);
  return decodeUtf8(buffer.subarray(0, read(output, buffer))).trim();
}

function failed(path: string, what: string): KumiteError {
  return new KumiteError("hook/failed", `the guest's hook ${path} ${what}`);
}
