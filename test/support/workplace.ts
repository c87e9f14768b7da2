/**
 * A temporary place for a suite: a state root, bundles, and the runtime under test bound to them. `KUMITE_TEST_RUNTIME`
 * names another runtime, e.g. runc, with which tests of general OCI behaviour are verified.
 */
import { rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Bundle, makeBundle, type Patch } from "./bundle.ts";
import { begin, type CommandOptions, describe, execute, type Finished, type Running } from "./command.ts";
import { eventually } from "./eventually.ts";
import { testQemuFlags } from "./qemu.ts";
import { makeTestDirectory, testDirectoryAt } from "./test-directory.ts";

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");

/** Absolute path (or name) of the runtime under test. */
export const runtimePath: string = process.env.KUMITE_TEST_RUNTIME ?? path.join(repository, "bin/kumite");

/** False while the tests themselves are being verified with another runtime. */
export const isKumite: boolean = path.basename(runtimePath).startsWith("kumite");

/** Options for a test about what only a VM runtime has; the reason is printed when it is skipped. */
export const onlyKumite: { skip: string | false } = { skip: isKumite ? false : "about this product only" };

/** State as the verb `state` prints it. */
export interface OciState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "created" | "running" | "paused" | "stopped";
  readonly pid?: number;
  readonly bundle: string;
  readonly annotations?: Record<string, string>;
}

export class Workplace implements AsyncDisposable {
  /** The value of `--root`. */
  readonly root: string;
  private counter = 0;

  private constructor(
    readonly directory: string,
    private readonly flags: readonly string[],
  ) {
    this.root = path.join(directory, "root");
  }

  static async open(name: string): Promise<Workplace> {
    return new Workplace(makeTestDirectory(name), isKumite ? testQemuFlags : []);
  }

  /** Its containers have the real agent but no VM: for what a VM would only slow down. */
  static async withoutMachine(name: string): Promise<Workplace> {
    const directory = makeTestDirectory(name);
    const config = path.join(directory, "configuration.toml");
    await writeFile(config, '[runtime]\nhypervisor = "process"\n');
    return new Workplace(directory, ["--config", config]);
  }

  /** An id that no other test run uses. */
  newId(): string {
    this.counter += 1;
    return `${testDirectoryAt(this.directory)?.idPart}.${this.counter}`;
  }

  /** Path of a new file or directory below the place; does not create it. */
  path(name: string): string {
    this.counter += 1;
    return path.join(this.directory, `${this.counter}-${name}`);
  }

  bundle(...patches: Patch[]): Promise<Bundle> {
    return makeBundle(this.path("bundle"), [runtimePath], ...patches);
  }

  /** The command line for these arguments of the runtime. */
  argv(...args: string[]): string[] {
    return [runtimePath, "--root", this.root, ...this.flags, ...args];
  }

  runtime(args: readonly string[], options?: CommandOptions): Promise<Finished> {
    return execute(this.argv(...args), options);
  }

  /** Like `runtime`, but throws for a status other than 0. */
  async must(args: readonly string[], options?: CommandOptions): Promise<Finished> {
    const finished = await this.runtime(args, options);
    if (finished.status !== 0) throw new Error(describe(finished));
    return finished;
  }

  begin(args: readonly string[], options?: CommandOptions): Running {
    return begin(this.argv(...args), options);
  }

  /** Runs a new container in the foreground to its end. */
  async run(bundle: Bundle, options?: CommandOptions): Promise<Finished> {
    return this.runtime(["run", "--bundle", bundle.directory, this.newId()], options);
  }

  /** Runs a container in the background; returns its id. Its streams are this test's /dev/null. */
  async runDetached(bundle: Bundle, id = this.newId()): Promise<string> {
    // The container keeps the verb's streams, so they must not be pipes whose end a caller waits for.
    const quiet = ["sh", "-c", 'exec "$@" >/dev/null 2>"$0"', path.join(this.directory, `${id}.err`)];
    const finished = await execute([...quiet, ...this.argv("run", "--detach", "--bundle", bundle.directory, id)]);
    if (finished.status !== 0) throw new Error(`${describe(finished)}\n${await this.complaint(id)}`);
    return id;
  }

  async state(id: string): Promise<OciState> {
    return JSON.parse((await this.must(["state", id])).stdout) as OciState;
  }

  async untilStatus(id: string, status: OciState["status"], timeoutMs?: number): Promise<OciState> {
    return eventually(
      `${id} is ${status}`,
      async () => {
        const state = await this.state(id);
        return state.status === status ? state : undefined;
      },
      timeoutMs,
    );
  }

  /** Like `untilStatus`, for a container that may not exist yet. */
  async untilStatusOf(id: string, status: OciState["status"]): Promise<void> {
    await eventually(`${id} is ${status}`, async () => {
      const finished = await this.runtime(["state", id]);
      return finished.status === 0 && (JSON.parse(finished.stdout) as OciState).status === status ? true : undefined;
    });
  }

  /** Kills and deletes a container in any state; no error if there is none. */
  async remove(id: string): Promise<void> {
    await this.runtime(["delete", "--force", id]);
  }

  /** Deletes every container of this place, then the place. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { stdout } = await this.runtime(["list", "--quiet"]);
    for (const id of stdout.split("\n").filter((line) => line !== "")) await this.remove(id);
    await rm(this.directory, { recursive: true, force: true });
  }

  private async complaint(id: string): Promise<string> {
    const { stdout } = await execute(["cat", path.join(this.directory, `${id}.err`)]);
    return stdout;
  }
}
