/**
 * `kumite-cache`, on Node: the server of the VM cache. Keeps VMs ready and gives them out, over gRPC and over a socket
 * for our own verbs. Started by `kumite factory init`, with the stream of the boot message on descriptor 4 and the log
 * on descriptor 2.
 */
import { writeSync } from "node:fs";
import { dirname } from "node:path";
import { type Config, hypervisorConfigOf } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { longestStartMs } from "../../config/start-limit.ts";
import { socketDirectory } from "../../persist/paths.ts";
import { RingFile } from "../../persist/ring-file.ts";
import { failureLine, readyLine } from "../../shim-client/boot-message.ts";
import { readInstall } from "../../shim-client/install.ts";
import { shimProgram } from "../../shim-client/shim-command.ts";
import { nodeOs } from "../../sys/node/node-os.ts";
import type { ByteStream, Listener, Os } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { isRecord, parseJson } from "../../util/json.ts";
import { createLogger, type Logger, textSink } from "../../util/log.ts";
import { Scope } from "../../util/scope.ts";
import { signalNumbers } from "../../util/signals.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { cacheLog, cacheLogs, poolDirectory, sweepPool } from "../cache/places.ts";
import { Pool } from "../cache/pool.ts";
import { type CacheAnswer, type CachedShim, cacheSocket, maxCacheLine, readyMachine } from "../cache/protocol.ts";
import { startCachedShim } from "../cache/start-cached-shim.ts";
import { factoryCgroups, removeFactoryCgroups } from "../factory-cgroups.ts";
import { machineFiles } from "../template-key.ts";
import { serveCache } from "./service.ts";

const bootDescriptor = 4;
const helloTimeoutMs = 10_000;
/** Limited because the server may run for months. */
const maxLogBytes = 256 * 1024;
/** Time for the answer to `quit` to be sent. */
const quitMs = 100;
/** For the end of everything of one kind, such as all VMs. */
const endTimeoutMs = 60_000;

interface Words {
  readonly config: string | undefined;
  readonly overrides: readonly string[];
}

/** What questions are answered with. */
interface Serving {
  readonly pool: Pool;
  readonly take: () => CachedShim;
  readonly quit: () => void;
  /** The result of `#essence`. */
  readonly what: string;
  readonly wanted: number;
}

class CacheServer {
  readonly #os: Os;
  readonly #installRoot: string;
  readonly #words: Words;
  readonly #log: Logger;
  readonly #flushed: () => Promise<void>;
  readonly #stopping = deferred<string>();

  constructor(os: Os, installRoot: string, words: Words, log: Logger, flushed: () => Promise<void>) {
    this.#os = os;
    this.#flushed = flushed;
    this.#installRoot = installRoot;
    this.#words = words;
    this.#log = log;
  }

  stop(why: string): void {
    this.#stopping.resolve(why);
  }

  /**
   * Calls `ready` when the server is listening. Resolves when it has ended and nothing is left but VMs that were taken;
   * this includes a start that fails.
   * @throws KumiteError also if the server had to end because its VMs do not start
   */
  async run(ready: () => Promise<void>): Promise<void> {
    const os = this.#os;
    const config = await this.#config();
    const { cacheNumber, cacheEndpoint } = config.factory;
    if (cacheNumber === 0) {
      throw new KumiteError("config/invalid", "vm_cache_number is 0, so there is no VM cache to serve", {
        phase: "factory.init",
      });
    }
    await this.#refuseSecond(cacheSocket);
    await this.#makeRoomFor(cacheEndpoint);
    const cgroups = await factoryCgroups(os);
    await sweepPool(os, cgroups, this.#log);
    await this.#serve(config, cgroups, ready);
    // After a normal end there is nothing worth reading in the logs.
    await this.#flushed();
    for (const log of cacheLogs) await removeQuietly(os, log);
    await os.files.removeDir(poolDirectory).catch(() => {});
    await removeFactoryCgroups(os);
  }

  async #serve(config: Config, cgroups: readonly string[], ready: () => Promise<void>): Promise<void> {
    const os = this.#os;
    const { cacheNumber: size, cacheEndpoint } = config.factory;
    const what = await this.#essence(config);
    const program = await shimProgram(os, await readInstall(os, this.#installRoot));
    await using scope = new Scope({
      stepTimeoutMs: endTimeoutMs,
      onFailure: ({ name, error }) => this.#log.error(`${name} could not be ended: ${messageOf(error)}`),
    });
    scope.add("what dead shims left", () => sweepPool(os, cgroups, this.#log));
    const readyTimeoutMs = longestStartMs(config);
    const start = () => startCachedShim(os, { ...program, ...this.#words, cgroups, readyTimeoutMs, log: this.#log });
    const pool = new Pool({ size, log: this.#log, start });
    scope.add("VMs that nobody has taken", () => pool.close());
    const take = () => {
      const machine = pool.take();
      if (machine !== undefined) return machine;
      throw new KumiteError("container/wrong-state", "no VM is ready");
    };
    const quit = () => setTimeout(() => this.stop("asked to quit"), quitMs);
    await os.files.makeDirs(socketDirectory, 0o700);
    const listener = await os.sockets.listen(cacheSocket, 0o600);
    scope.add(cacheSocket, () => listener.close());
    scope.add(cacheEndpoint, () => removeQuietly(os, cacheEndpoint));
    const machine = JSON.stringify(hypervisorConfigOf(config));
    const agent = JSON.stringify(config.agent);
    const host = { config: () => ({ machine, agent }), take, machines: () => pool.machines, quit };
    scope.add("the gRPC service", await serveCache(host, cacheEndpoint));
    void this.#answerAll(listener, { pool, take, quit, what, wanted: size });
    await ready();
    const failed = pool.failed.then((why) => {
      throw new KumiteError("hypervisor/start-failed", `the VM cache has ended, because its VMs do not start: ${why}`);
    });
    this.#log.info(`stopping: ${await Promise.race([this.#stopping.promise, failed])}`);
  }

  #config(): Promise<Config> {
    const { config: path, overrides } = this.#words;
    return loadConfig(this.#os, { installRoot: this.#installRoot, path, overrides });
  }

  /** A text that is equal for two configurations exactly if they make the same VM from the same files. */
  async #essence(config: Config): Promise<string> {
    const { factory: _ours, notices: _words, ...rest } = config;
    return `${await machineFiles(this.#os, config)} ${JSON.stringify(rest)}`;
  }

  async #makeRoomFor(endpoint: string): Promise<void> {
    try {
      await this.#os.files.makeDirs(dirname(endpoint), 0o755);
    } catch (error) {
      throw noSocketAt(endpoint, error);
    }
    await this.#refuseSecond(endpoint);
  }

  /**
   * A killed server leaves its sockets behind; a running one accepts connections on them. Whatever else has that name
   * is not ours to remove.
   */
  async #refuseSecond(socket: string): Promise<void> {
    try {
      (await this.#os.sockets.connect(socket)).close();
    } catch (error) {
      if (isSystemError(error, "ENOENT")) return;
      if (isSystemError(error, "ECONNREFUSED") && (await this.#os.files.linkStatus(socket))?.kind === "socket") {
        return await removeQuietly(this.#os, socket);
      }
      throw noSocketAt(socket, error);
    }
    throw new KumiteError(
      "container/exists",
      `${socket} already exist. Please stop running VMCache server and remove it`,
      {
        phase: "factory.init",
        hint: "`kumite factory destroy` stops it",
      },
    );
  }

  async #answerAll(listener: Listener, { pool, take, quit, what, wanted }: Serving): Promise<void> {
    for await (const stream of listener) {
      void this.#answerOn(stream, async (question) => {
        switch (question.ask) {
          case "status":
            return { status: { pid: process.pid, wanted, machines: pool.machines.map(readyMachine) } };
          case "quit":
            quit();
            return { quitting: true };
          case "take":
            return (await this.#isSame(question, what))
              ? { machine: take() }
              : { none: "the cache serves another configuration" };
          default:
            return { none: "unknown request" };
        }
      });
    }
  }

  async #isSame(question: Record<string, unknown>, what: string): Promise<boolean> {
    const { config, overrides } = this.#words;
    if (question.config !== (config ?? null) || JSON.stringify(question.overrides) !== JSON.stringify(overrides))
      return false;
    // The files may have changed since the server started.
    return (await this.#essence(await this.#config())) === what;
  }

  async #answerOn(
    stream: ByteStream,
    answer: (question: Record<string, unknown>) => Promise<CacheAnswer>,
  ): Promise<void> {
    try {
      const read = (signal: AbortSignal) => new ByteReader(stream).readLine(maxCacheLine, signal);
      const line = await withDeadline(helloTimeoutMs, "waiting for a request", read);
      const question = line === undefined ? undefined : parseJson(line);
      if (!isRecord(question)) return;
      const said = await answer(question).catch((error: unknown): CacheAnswer => ({ none: messageOf(error) }));
      await stream.write(encodeUtf8(`${JSON.stringify(said)}\n`));
    } catch (error) {
      this.#log.warn(`a client disconnected: ${messageOf(error)}`);
    } finally {
      stream.close();
    }
  }
}

function noSocketAt(path: string, cause: unknown): KumiteError {
  return new KumiteError("config/invalid", `vm_cache_endpoint: there can be no socket at ${path}`, {
    phase: "factory.init",
    hint: "set another path in [factory] of the configuration, with at most 107 bytes",
    data: { path },
    cause,
  });
}

async function removeQuietly(os: Os, path: string): Promise<void> {
  try {
    await os.files.removeFile(path);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

function wordsOf(argv: readonly string[]): Words {
  const overrides: string[] = [];
  let config: string | undefined;
  for (let at = 0; at < argv.length; at += 2) {
    const [flag, value = ""] = [argv[at], argv[at + 1]];
    if (flag === "--config") config = value;
    else if (flag === "--set") overrides.push(value);
    else throw new KumiteError("usage/invalid", `kumite-cache: unexpected argument "${flag}"`);
  }
  return { config, overrides };
}

async function main(): Promise<number> {
  const installRoot = dirname(process.argv[1] ?? "");
  const os = nodeOs({ installRoot });
  const ring = new RingFile(os, cacheLog, { maxBytes: maxLogBytes, onFailure: (error) => writeLog(messageOf(error)) });
  const log = createLogger({ sink: textSink((line) => ring.add(line.trimEnd())), now: os.clock.now });
  const boot = os.self.stream(bootDescriptor);
  try {
    const server = new CacheServer(os, installRoot, wordsOf(process.argv.slice(2)), log, () => ring.flushed());
    const { SIGTERM, SIGINT, SIGPIPE } = signalNumbers;
    os.self.onSignals([SIGTERM, SIGINT], ({ signal }) => server.stop(`signal ${signal}`));
    os.self.onSignals([SIGPIPE], () => {});
    await server.run(async () => {
      await boot.write(readyLine()).catch(() => {});
      boot.close();
    });
    return 0;
  } catch (error) {
    log.error(messageOf(error));
    await ring.flushed();
    await boot.write(failureLine(error)).catch(() => {});
    boot.close();
    return 1;
  }
}

function writeLog(line: string): void {
  try {
    writeSync(2, line);
  } catch {
    // The error cannot be reported anywhere else.
  }
}

process.exit(await main());
