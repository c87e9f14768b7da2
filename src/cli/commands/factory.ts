/** `kumite factory init|status|destroy`: templates and cached VMs, made ahead of time. */
import type { Config } from "../../config/config.ts";
import { loadConfig } from "../../config/load.ts";
import { longestStartMs } from "../../config/start-limit.ts";
import { buildTemplate } from "../../factory/build-template.ts";
import { cacheLog, cacheLogs, poolDirectory, sweepPool } from "../../factory/cache/places.ts";
import { askOnce, type CacheRequest, type CacheStatus, cacheSocket } from "../../factory/cache/protocol.ts";
import { whyNoTemplate } from "../../factory/clonable.ts";
import { factoryCgroups, removeFactoryCgroups } from "../../factory/factory-cgroups.ts";
import { templateKey } from "../../factory/template-key.ts";
import { scopeOf } from "../../factory/template-scope.ts";
import {
  listTemplates,
  lockStore,
  removeEmptied,
  removeTemplates,
  type Template,
} from "../../factory/template-store.ts";
import { usualShape } from "../../factory/usual-shape.ts";
import { awaitReady } from "../../shim-client/boot-message.ts";
import { installedFile, installedNode, readInstall } from "../../shim-client/install.ts";
import type { ChildProcess, Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isKumiteError, isSystemError, KumiteError } from "../../util/errors.ts";
import { dirName } from "../../util/path.ts";
import { signalNumbers } from "../../util/signals.ts";
import type { VerbContext } from "../context.ts";
import type { Invocation } from "../parse.ts";

/** Another process may be making or removing a template. */
const lockTimeoutMs = 60_000;
/** Contract with the server's `main.ts`. */
const bootDescriptor = 4;
/** Node has to start, and the server to undo what an earlier server left. */
const readyTimeoutMs = 60_000;
const answerTimeoutMs = 10_000;
/** Each cached VM is stopped in order. */
const stopTimeoutMs = 60_000;

type FactoryInvocation = Invocation<"factory">;

export async function factory(context: VerbContext, { args, flags }: FactoryInvocation): Promise<number> {
  const { os } = context;
  const { config: path, overrides } = context;
  const config = await loadConfig(os, { installRoot: dirName(os.self.executable), path, overrides });
  switch (args[0]) {
    case "init":
      return init(context, config, flags.json);
    case "destroy":
      return destroy(context, config, flags.json);
    default:
      return status(context, config, flags.json);
  }
}

async function init(context: VerbContext, config: Config, json: boolean): Promise<number> {
  const { os, root, log, interruption, output } = context;
  if (config.factory.cacheNumber > 0) return startCache(context, config, json);
  if (config.factory.template === false) {
    throw new KumiteError("config/invalid", "vm factory is not enabled", {
      phase: "factory.init",
      hint: 'set enable_template = true or "auto", or vm_cache_number, in [factory] of the configuration',
    });
  }
  const why = whyNoTemplate(os, config);
  if (why !== undefined) {
    throw new KumiteError("config/invalid", `this configuration cannot have a template: ${why}`, {
      phase: "factory.init",
      hint: "change that key, or set enable_template = false in [factory]",
    });
  }
  const shape = await usualShape(os);
  const key = await templateKey(os, config, shape, scopeOf(config.factory, root));
  const request = { config, store: config.factory.templatePath, key, shape };
  const build = (signal: AbortSignal) => buildTemplate(os, request, log, signal);
  const template = await withDeadline(longestStartMs(config), "making the template", build, interruption.signal);
  await output.out(json ? `${JSON.stringify({ template: documentOf(template) })}\n` : "vm factory initialized\n");
  return 0;
}

async function status({ os, output }: VerbContext, config: Config, json: boolean): Promise<number> {
  const { template, templatePath } = config.factory;
  const found = await listTemplates(os, templatePath);
  const whole = found.flatMap((entry) => (entry.template === undefined ? [] : [entry.template]));
  const state = template === false ? "not enabled" : whole.length > 0 ? "on" : "off";
  const cache = await cacheStatus(os);
  if (json) {
    await output.out(`${JSON.stringify({ state, templates: whole.map(documentOf), ...(cache && { cache }) })}\n`);
    return 0;
  }
  const lines = whole.map(
    ({ key, memoryMiB, vcpus, keeper }) =>
      `template ${key} pid = ${keeper.pid} Cpu = ${vcpus} Memory = ${memoryMiB}MiB\n`,
  );
  await output.out(`${cacheLines(cache)}${lines.join("")}vm factory is ${state}\n`);
  return 0;
}

/** Removes all templates of the store, whichever configuration they belong to. */
async function destroy({ os, output, log: told }: VerbContext, config: Config, json: boolean): Promise<number> {
  const { templatePath } = config.factory;
  const server = await stopCache(os);
  const removed = await removeStore(os, templatePath);
  // Remains of a server that was killed.
  await sweepPool(os, await factoryCgroups(os), told);
  if ((await os.files.status(poolDirectory)) !== undefined) {
    for (const log of cacheLogs) if ((await os.files.linkStatus(log)) !== undefined) await os.files.removeFile(log);
    await os.files.removeDir(poolDirectory).catch(() => {});
  }
  await removeFactoryCgroups(os);
  const document = { removed, ...(server !== undefined && { cache: { pid: server } }) };
  await output.out(json ? `${JSON.stringify(document)}\n` : "vm factory destroyed\n");
  return 0;
}

/**
 * If the store is missing, it is created for a moment: keepers may still hold templates of a store that was deleted by
 * hand.
 */
async function removeStore(os: Os, store: string): Promise<string[]> {
  await using _lock = await withDeadline(lockTimeoutMs, `waiting for ${store}`, (signal) =>
    lockStore(os, store, signal),
  );
  const removed = await removeTemplates(os, store, "all");
  await removeEmptied(os, store);
  return removed;
}

function cacheLines(cache: CacheStatus | undefined): string {
  if (cache === undefined) return "";
  const lines = cache.machines.map(
    ({ pid, vcpus, memoryMiB }) => `VM pid = ${pid} Cpu = ${vcpus} Memory = ${memoryMiB}MiB\n`,
  );
  return `vm cache server pid = ${cache.pid}\n${lines.join("")}`;
}

/** Starts a server that keeps VMs ready. It goes on when this verb has ended. */
async function startCache(
  { os, config: path, overrides, interruption, output }: VerbContext,
  config: Config,
  json: boolean,
) {
  const install = await readInstall(os);
  for (const directory of [dirName(cacheSocket), poolDirectory]) await os.files.makeDirs(directory, 0o700);
  const words = [
    ...(path === undefined ? [] : ["--config", path]),
    ...overrides.flatMap((override) => ["--set", override]),
  ];
  const child = await os.processes.spawn({
    path: await installedNode(os, install),
    argv: ["kumite-cache", await installedFile(os, install, "cache.mjs"), ...words],
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    cwd: "/",
    newSession: true,
    cgroups: await factoryCgroups(os),
    descriptors: { 2: { kind: "append", path: cacheLog, mode: 0o600 }, [bootDescriptor]: { kind: "stream" } },
  });
  try {
    await awaitServer(child, interruption.signal);
  } catch (error) {
    await endServer(os, child);
    throw error;
  }
  const { cacheNumber: wanted, cacheEndpoint: endpoint } = config.factory;
  const document = { cache: { pid: child.pid, wanted, endpoint } };
  await output.out(json ? `${JSON.stringify(document)}\n` : `vm cache server started, pid = ${child.pid}\n`);
  return 0;
}

async function awaitServer(child: ChildProcess, signal: AbortSignal): Promise<void> {
  const boot = child.streams.get(bootDescriptor);
  if (boot === undefined) throw new KumiteError("internal", "the VM cache server was started without a boot channel");
  const wait = (within: AbortSignal) => awaitReady(boot, within);
  const ready = await withDeadline(readyTimeoutMs, "the start of the VM cache server", wait, signal);
  boot.close();
  if (ready === undefined) {
    throw new KumiteError("system/failed", "the VM cache server exited without reporting an error", {
      phase: "factory.init",
      hint: `see its log, ${cacheLog}`,
    });
  }
}

/** Ends a server that could not start, took too long or is no longer wanted, and removes what it leaves. */
async function endServer(os: Os, child: ChildProcess): Promise<void> {
  child.kill(signalNumbers.SIGTERM);
  await withDeadline(stopTimeoutMs, "waiting for the VM cache server to end", () => child.exited).catch(() => {
    child.kill(signalNumbers.SIGKILL);
    return child.exited;
  });
  // The caller reports why the server did not start, which matters more.
  await removeFactoryCgroups(os).catch(() => {});
}

async function cacheStatus(os: Os): Promise<CacheStatus | undefined> {
  const answer = await ask(os, { ask: "status" });
  // The answer can be trusted: it comes from our own server, on a socket that only root can use.
  return answer?.status as CacheStatus | undefined;
}

/** Resolves when the server and all VMs that nobody has taken have ended; with the server's pid, if there was one. */
async function stopCache(os: Os): Promise<number | undefined> {
  const status = await cacheStatus(os);
  if (status === undefined) return undefined;
  const server = await os.processes.info(status.pid);
  await ask(os, { ask: "quit" });
  if (server === undefined) return status.pid;
  await withDeadline(stopTimeoutMs, "waiting for the VM cache server to end", (signal) =>
    os.processes.waitGone(server, signal),
  );
  return status.pid;
}

/** Returns `undefined` if there is no server, or it ended before it answered. */
async function ask(os: Os, question: CacheRequest): Promise<Record<string, unknown> | undefined> {
  const answer = () => askOnce(os, cacheSocket, question, answerTimeoutMs);
  try {
    // A server that was killed in the middle of the request does not listen any more.
    return await answer().catch((error: unknown) => (isCutOff(error) ? answer() : Promise.reject(error)));
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ECONNREFUSED")) return undefined;
    throw error;
  }
}

function isCutOff(error: unknown): boolean {
  return isSystemError(error, "ECONNRESET", "EPIPE") || isKumiteError(error, "protocol/closed");
}

function documentOf({ key, shape, keeper, vcpus, memoryMiB, stateBytes, takesBytes, createdMs, buildMs }: Template) {
  return {
    key,
    shape,
    keeper: keeper.pid,
    vcpus,
    memoryMiB,
    stateBytes,
    takesBytes,
    created: new Date(createdMs).toISOString(),
    buildMs,
  };
}
