/**
 * Sandboxes for tests: the real agent without a VM (the `process` driver), with this process as the shim and in-memory
 * streams in place of relays.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { makeTree } from "../../test/support/bundle.ts";
import { testInstallRoot, testOs } from "../../test/support/node-os.ts";
import type { Config } from "../config/config.ts";
import { resolveConfig } from "../config/config.ts";
import { type BundleSpec, bundleOf } from "../oci/bundle.ts";
import { defaultSpec } from "../oci/default-spec.ts";
import type { ByteStream, ChildProcess, Os } from "../sys/os.ts";
import { readAll } from "../util/bytes.ts";
import { KumiteError } from "../util/errors.ts";
import { createLogger, type Logger, textSink } from "../util/log.ts";
import { streamPair } from "../util/stream-pair.ts";
import { decodeUtf8 } from "../util/text.ts";
import { addContainer } from "./add.ts";
import { attachRelay } from "./attach.ts";
import { createSandbox } from "./create.ts";
import { execProcess } from "./exec.ts";
import type { Created } from "./make-container.ts";
import { type PreparedSandbox, prepareContainer, prepareSandbox } from "./prepare.ts";
import type { ProcessKey, SandboxProcess } from "./process.ts";
import { recoverContainer } from "./recover.ts";
import { recoverAll } from "./recover-all.ts";
import { Sandbox } from "./sandbox.ts";
import { startProcess } from "./start.ts";
import type { StdioName } from "./stdio.ts";
import { stopSandbox } from "./stop.ts";
import { Timeline } from "./timeline.ts";

export type Patch = (spec: BundleSpec) => void;

/** A process with its relay: the relay's ends of the streams, and a connection whose end is the relay's end. */
export interface Attached {
  readonly process: SandboxProcess;
  readonly stdin: ByteStream;
  readonly stdout: Promise<string>;
  readonly stderr: Promise<string>;
  /** Ends the connection, as if the relay had been killed. */
  readonly hangUp: () => void;
}

const never = new AbortController().signal;
const maxOutput = 1 << 24;

/** What the verb `create` has made before it asks the shim for the container. */
export interface Prepared {
  readonly sandbox: Sandbox;
  readonly document: BundleSpec;
  readonly relay: ChildProcess;
  readonly prepared: PreparedSandbox;
}

export class SandboxPlace {
  readonly os: Os;
  readonly directory: string;
  readonly root: string;
  /** Lines of all logs. */
  readonly log: string[] = [];
  readonly #relays: ChildProcess[] = [];
  readonly #sandboxes: Sandbox[] = [];
  readonly #added: string[] = [];
  #count = 0;

  private constructor(os: Os, directory: string) {
    this.os = os;
    this.directory = directory;
    this.root = path.join(directory, "root");
  }

  static async open(): Promise<SandboxPlace> {
    await sweepDeadPlaces();
    const directory = await mkdtemp(path.join(tmpdir(), `kumite-sandbox-${process.pid}-`));
    await mkdir(path.join(directory, "rootfs"));
    await makeTree(path.join(directory, "rootfs"));
    return new SandboxPlace(withFewHierarchies(testOs()), directory);
  }

  /** Ends what is left, and then checks that nothing remains. */
  async close(): Promise<void> {
    for (const sandbox of this.#sandboxes) await this.remove(sandbox);
    for (const id of this.#added) await recoverContainer(this.os, this.root, id);
    for (const relay of this.#relays) {
      relay.kill(9);
      await relay.exited;
    }
    assert.deepEqual(await this.remains(), []);
    await rm(this.directory, { recursive: true });
  }

  /** Mounts, cgroups and state directories that remain. */
  async remains(): Promise<string[]> {
    const table = await this.os.mounts.table();
    const mounts = table.filter(({ target }) => target.startsWith(this.directory)).map(({ target }) => target);
    const name = path.basename(this.directory);
    const cgroups: string[] = [];
    for (const { target } of table.filter(({ type }) => type.startsWith("cgroup"))) {
      cgroups.push(...(await this.os.files.list(target)).filter((entry) => entry.startsWith(name)));
    }
    const claims = (await this.os.files.status(this.root)) === undefined ? [] : await this.os.files.list(this.root);
    return [...mounts, ...cgroups, ...claims];
  }

  /** A new sandbox, prepared as by the verb `create`. */
  async prepare(using: Os = this.os): Promise<Prepared> {
    const { id, document } = this.#document();
    const bundle = await bundleOf(this.os, this.directory, structuredClone(document));
    const prepared = await prepareSandbox(this.os, this.root, id, bundle);
    const relay = await this.#relay(prepared.cgroups.relay);
    await prepared.journal.made("relay", relay);
    const timeline = new Timeline(this.os.clock, this.os.clock.monotonic());
    const host = { os: using, log: this.#logger(), config: config(), root: this.root, id, paths: prepared.paths };
    const sandbox = new Sandbox({ ...host, timeline });
    this.#sandboxes.push(sandbox);
    return { sandbox, document, relay, prepared };
  }

  /** A created container with its relay. */
  async create(patch: Patch = () => {}): Promise<{ sandbox: Sandbox; created: Created; own: Attached }> {
    const { sandbox, document, relay } = await this.prepare();
    patch(document);
    const { id } = sandbox.host;
    const attaching = this.attach(sandbox, { containerId: id, execId: undefined }, relay);
    const created = await createSandbox(sandbox, { id, bundle: this.directory, document, relay }, never);
    return { sandbox, created, own: await attaching };
  }

  /** A created container in an existing sandbox, prepared as by the verb. */
  async add(sandbox: Sandbox, patch: Patch = () => {}): Promise<{ created: Created; own: Attached }> {
    const { id, document, relay } = await this.prepareIn(sandbox);
    patch(document);
    const connection = new AbortController();
    const attaching = this.attach(sandbox, { containerId: id, execId: undefined }, relay, connection);
    attaching.catch(() => {});
    try {
      const created = await addContainer(sandbox, { id, bundle: this.directory, document, relay }, never);
      return { created, own: await attaching };
    } catch (error) {
      connection.abort();
      throw error;
    }
  }

  /** What the verb has made before it asks the sandbox's shim for the container. */
  async prepareIn(sandbox: Sandbox): Promise<{ id: string; document: BundleSpec; relay: ChildProcess }> {
    const { id, document } = this.#document();
    const bundle = await bundleOf(this.os, this.directory, structuredClone(document));
    const { cgroups, journal } = await prepareContainer(this.os, this.root, sandbox.host.id, { id, bundle });
    this.#added.push(id);
    const relay = await this.#relay(cgroups.relay);
    await journal.made("relay", relay);
    return { id, document, relay };
  }

  #document(): { id: string; document: BundleSpec } {
    this.#count += 1;
    const id = `c${this.#count}`;
    const document = defaultSpec();
    document.process.terminal = false;
    document.root = { path: "rootfs" };
    document.linux.cgroupsPath = `/${path.basename(this.directory)}.${id}`;
    return { id, document };
  }

  async #relay(cgroups: readonly string[]): Promise<ChildProcess> {
    const relay = await this.os.processes.spawn({
      path: "/bin/sleep",
      argv: ["sleep", "1000"],
      env: {},
      descriptors: {},
      cgroups,
    });
    this.#relays.push(relay);
    return relay;
  }

  /** A running container with a shell script as its program. */
  async run(script: string, patch: Patch = () => {}): Promise<{ sandbox: Sandbox; own: Attached }> {
    const { sandbox, own } = await this.create((spec) => {
      spec.process.args = ["/bin/sh", "-c", script];
      patch(spec);
    });
    await startProcess(sandbox, own.process.key, never);
    return { sandbox, own };
  }

  /** A further process of a container, started. */
  async exec(
    sandbox: Sandbox,
    execId: string,
    args: [string, ...string[]],
    { terminal = false, containerId = sandbox.host.id } = {},
  ): Promise<Attached> {
    const key: ProcessKey = { containerId, execId };
    const relay = { pid: this.os.self.pid, startTicks: this.os.self.startTicks };
    const document = { args, cwd: "/", env: ["PATH=/bin"] };
    execProcess(sandbox, { containerId, execId, document, terminal, relay });
    const attached = await this.attach(sandbox, key, relay);
    await startProcess(sandbox, key, never);
    return attached;
  }

  async attach(
    sandbox: Sandbox,
    key: ProcessKey,
    relay: { readonly pid: number; readonly startTicks: number },
    connection = new AbortController(),
  ): Promise<Attached> {
    const process = await attachRelay(sandbox, key, relay, connection.signal);
    const connect = (name: StdioName): ByteStream => {
      const [ours, theirs] = streamPair();
      process.stdio.offerRelay(name, ours);
      return theirs;
    };
    const textOf = async (stream: ByteStream): Promise<string> => decodeUtf8(await readAll(stream, maxOutput));
    const stderr = process.terminal ? Promise.resolve("") : textOf(connect("stderr"));
    return {
      process,
      stdin: connect("stdin"),
      stdout: textOf(connect("stdout")),
      stderr,
      hangUp: () => connection.abort(),
    };
  }

  /** Removes the sandbox as `delete --force` does. */
  async remove(sandbox: Sandbox): Promise<void> {
    await stopSandbox(sandbox);
    await recoverContainer(this.os, this.root, sandbox.host.id);
  }

  #logger(): Logger {
    return createLogger({ sink: textSink((line) => this.log.push(line)), now: this.os.clock.now, level: "debug" });
  }
}

/** Removes what killed suites left: mounts, cgroups and processes. The names contain the pid of their suite. */
async function sweepDeadPlaces(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^kumite-sandbox-(\d+)-/.exec(name)?.[1];
    if (owner === undefined || existsSync(`/proc/${owner}`)) continue;
    const directory = path.join(tmpdir(), name);
    const { failed } = await recoverAll(testOs(), path.join(directory, "root"));
    if (failed.length === 0) await rm(directory, { recursive: true, force: true });
  }
}

/** One cgroup hierarchy of each version is enough, and faster than eight. */
function withFewHierarchies(os: Os): Os {
  const table: Os["mounts"]["table"] = async () =>
    (await os.mounts.table()).filter(({ type, target }) => type !== "cgroup" || target.endsWith("/pids"));
  return { ...os, mounts: { ...os.mounts, table } };
}

function config(): Config {
  return resolveConfig({ runtime: { hypervisor: "process" } }, { installRoot: testInstallRoot, hostCpus: 1 });
}

/** The code and message of the error with which an action fails. */
export async function codeAndMessage(action: Promise<unknown> | (() => unknown)): Promise<string> {
  try {
    await (typeof action === "function" ? action() : action);
    return "no error";
  } catch (error) {
    assert.ok(error instanceof KumiteError, String(error));
    return `${error.code}: ${error.message}`;
  }
}
