/**
 * `kumite-cache`, on Node: the server of the VM cache. Keeps VMs ready and gives them out, over gRPC and over a socket
 * for our own verbs. Started by `kumite factory init`, with the stream of the boot message on descriptor 4 and the log
 * on descriptor 2.
 */
import { writeSync } from "node:fs";
import { dirname } from "node:path";
import { type Config, hypervisorConfigOf } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
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

interface Words {
  readonly config: string | undefined;
  readonly overrides: readonly string[];
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
   * Calls `ready` when the server is listening. Resolves when it has ended and nothing is left but VMs that were taken.
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
    await this.#refuseSecond(cacheEndpoint);
    const cgroups = await factoryCgroups(os);
    await sweepPool(os, cgroups, this.#log);
    const what = await this.#essence(config);
    const program = await shimProgram(os, await readInstall(os, this.#installRoot));
    const pool = new Pool({
      size: cacheNumber,
      log: this.#log,
      start: () => startCachedShim(os, { ...program, ...this.#words, cgroups }),
    });
    void pool.failed.then((why) => this.stop(`no VM can be started: ${why}`));
    const take = () => {
      const machine = pool.take();
      if (machine !== undefined) return machine;
      throw new KumiteError("container/wrong-state", "no VM is ready");
    };
    await os.files.makeDirs(socketDirectory, 0o700);
    const listener = await os.sockets.listen(cacheSocket, 0o600);
    const stopService = await serveCache(
      {
        config: () => ({ machine: JSON.stringify(hypervisorConfigOf(config)), agent: JSON.stringify(config.agent) }),
        take,
        machines: () => pool.machines,
        quit: () => setTimeout(() => this.stop("asked to quit"), quitMs),
      },
      cacheEndpoint,
    );
    void this.#serve(listener, pool, take, what, cacheNumber);
    await ready();
    this.#log.info(`stopping: ${await this.#stopping.promise}`);
    stopService();
    await listener.close();
    await pool.close();
    await sweepPool(os, cgroups, this.#log);
    await removeQuietly(os, cacheEndpoint);
    // After a normal end there is nothing worth reading in the logs.
    await this.#flushed();
    for (const log of cacheLogs) await removeQuietly(os, log);
    await os.files.removeDir(poolDirectory).catch(() => {});
    await removeFactoryCgroups(os);
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

  /** A killed server leaves its sockets behind; a living one accepts connections on them. */
  async #refuseSecond(endpoint: string): Promise<void> {
    for (const socket of [cacheSocket, endpoint]) {
      try {
        (await this.#os.sockets.connect(socket)).close();
      } catch (error) {
        if (!isSystemError(error)) throw error;
        if (!isSystemError(error, "ENOENT")) await removeQuietly(this.#os, socket);
        continue;
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
  }

  async #serve(listener: Listener, pool: Pool, take: () => CachedShim, what: string, wanted: number): Promise<void> {
    for await (const stream of listener) {
      void this.#answerOn(stream, async (question) => {
        switch (question.ask) {
          case "status":
            return { status: { pid: process.pid, wanted, machines: pool.machines.map(readyMachine) } };
          case "quit":
            setTimeout(() => this.stop("asked to quit"), quitMs);
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
      const line = await withDeadline(helloTimeoutMs, "a request", read);
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
