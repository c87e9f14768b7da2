/**
 * `kumite-shim`, on Node: the only process of a sandbox with state. The verb that starts it passes its listening socket
 * on descriptor 3, the stream for the boot message on 4, and its log on 2. If the verb has already started processes of
 * the VM, their list is on 5. The shim writes nowhere else.
 */
import { openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { loadConfig } from "../config/load.ts";
import { sandboxPaths } from "../persist/paths.ts";
import { toldLayers } from "../sandbox/ahead-layers.ts";
import type { MadeAhead } from "../sandbox/sandbox.ts";
import { failureLine, readyLine } from "../shim-client/boot-message.ts";
import { Companions } from "../sys/node/companions.ts";
import { nodeOs } from "../sys/node/node-os.ts";
import { listenOnDescriptor } from "../sys/node/socket-listener.ts";
import { heapTidier } from "../sys/node/tidy-heap.ts";
import type { ByteStream, Os } from "../sys/os.ts";
import { messageOf } from "../util/errors.ts";
import type { Logger } from "../util/log.ts";
import { signalNumbers } from "../util/signals.ts";
import { type CachedArguments, parseCachedArguments, parseShimArguments, type ShimArguments } from "./arguments.ts";
import { waitForAdoption } from "./cached.ts";
import { type ShimLogOptions, shimLog } from "./log.ts";
import { Shim, type ShimOptions } from "./shim.ts";

const logDescriptor = 2;
const listenDescriptor = 3;
const bootDescriptor = 4;
const companionsDescriptor = 5;

/** A shim of the VM cache changes to another log when it gets a sandbox. */
let logFile = logDescriptor;

async function main(): Promise<number> {
  const installRoot = dirname(process.argv[1] ?? "");
  const companions = process.argv[2] === "--ahead" ? new Companions(companionsDescriptor) : undefined;
  const os = nodeOs({ installRoot, companions });
  const boot = os.self.stream(bootDescriptor);
  const cached = parseCachedArguments(process.argv.slice(2));
  if (cached !== undefined) return await mainOfCache(os, installRoot, cached, boot);
  let shim: Shim;
  try {
    shim = await prepare(os, installRoot, { starterGone: endOf(boot), companions });
    // The verb may be gone already. The shim notices that, because no create arrives.
    await boot.write(readyLine()).catch(() => {});
  } catch (error) {
    writeLog(`kumite-shim: ${messageOf(error)}\n`);
    await boot.write(failureLine(error)).catch(() => {});
    return 1;
  }
  return await serve(shim);
}

/** A shim of the VM cache: it starts its VM first and learns its sandbox later. */
async function mainOfCache(os: Os, installRoot: string, words: CachedArguments, boot: ByteStream): Promise<number> {
  const { name, cgroups } = words;
  const listener = await listenOnDescriptor(listenDescriptor);
  let status = 1;
  try {
    const loading = { installRoot, path: words.config, overrides: words.overrides };
    const config = await loadConfig(os, loading);
    const configFor: ShimOptions["configFor"] = (annotations) => loadConfig(os, { ...loading, annotations });
    const log = logFor({ format: "text", debug: config.debug, sandbox: `cached-${name}` });
    const adopted = await waitForAdoption({ os, config, log, listener, boot, name, cgroups });
    if (adopted === undefined) return 0;
    // The shim no longer depends on the cache server.
    boot.close();
    const { adoption, warm } = adopted;
    const { root, id, bundle, debug, logFormat } = adoption;
    logFile = openSync(sandboxPaths(root, id).log, "a", 0o600);
    const own = logFor({ format: logFormat, debug: debug || config.debug, sandbox: id });
    const { config: file, overrides } = words;
    const options = { root, id, bundle, config: file, overrides, debug, logFormat };
    const startMs = os.clock.monotonic();
    const shim = await shimOf(os, { config, configFor, log: own, listener, arguments: options, installRoot, startMs });
    shim.sandbox.warm = warm;
    status = await serve(shim);
  } catch (error) {
    writeLog(`kumite-shim: ${messageOf(error)}\n`);
    await boot.write(failureLine(error)).catch(() => {});
  } finally {
    boot.close();
    await listener.close().catch(() => {});
  }
  return status;
}

async function serve(shim: Shim): Promise<number> {
  let status = 0;
  const fault = (error: unknown): void => {
    status = 1;
    shim.fail(error);
  };
  process.on("uncaughtException", fault);
  process.on("unhandledRejection", fault);
  await shim.run();
  return status;
}

/** The verb writes nothing to this stream. Its end means that the verb is dead. */
async function endOf(boot: ByteStream): Promise<void> {
  while ((await boot.read().catch(() => undefined)) !== undefined);
}

async function prepare(
  os: Os,
  installRoot: string,
  { companions, ...starter }: Pick<ShimOptions, "starterGone"> & { readonly companions: Companions | undefined },
): Promise<Shim> {
  const words = parseShimArguments(process.argv.slice(2));
  const ahead = companions && (await madeAhead(os, words, companions));
  const loading = { installRoot, path: words.config, overrides: words.overrides };
  const config = await loadConfig(os, loading);
  const configFor: ShimOptions["configFor"] = (annotations) => loadConfig(os, { ...loading, annotations });
  const log = logFor({ format: words.logFormat, debug: words.debug || config.debug, sandbox: words.id });
  const listener = await listenOnDescriptor(listenDescriptor);
  const options = { ...starter, ahead, arguments: words, startMs: 0 };
  return await shimOf(os, { config, configFor, log, listener, installRoot, ...options });
}

async function madeAhead(os: Os, { root, id }: ShimArguments, companions: Companions): Promise<MadeAhead> {
  return {
    discard: () => companions.discard(),
    has: (request) => companions.has(request),
    layers: await toldLayers(os, sandboxPaths(root, id)),
  };
}

function logFor(options: Pick<ShimLogOptions, "format" | "debug" | "sandbox">): Logger {
  return shimLog({ write: writeLog, now: Date.now, ...options });
}

interface ShimParts extends Omit<ShimOptions, "os" | "version"> {
  readonly installRoot: string;
}

async function shimOf(os: Os, { installRoot, ...parts }: ShimParts): Promise<Shim> {
  const { config, log } = parts;
  const { file, era } = config;
  if (file !== undefined) log[era === "1.0" ? "debug" : "info"]("loaded configuration", { format: "TOML", file });
  for (const notice of config.notices) log.warn(notice);
  const shim = new Shim({ os, ...parts, version: await productVersion(installRoot), atRest: heapTidier() });

  const { SIGTERM, SIGINT, SIGHUP } = signalNumbers;
  os.self.onSignals([SIGTERM, SIGINT, SIGHUP], ({ signal }) => {
    log.warn(`signal ${signal}: the sandbox is stopped`);
    void shim.stop();
  });
  return shim;
}

/** A full disk loses lines of the log, but does not end the sandbox. */
function writeLog(line: string): void {
  try {
    writeSync(logFile, line);
  } catch {
    // There is no other place to report this.
  }
}

async function productVersion(installRoot: string): Promise<string> {
  const manifest = JSON.parse(await readFile(join(installRoot, "install.json"), "utf8")) as { version?: string };
  return manifest.version ?? "unknown";
}

void main().then((status) => process.exit(status));
