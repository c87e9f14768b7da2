/**
 * The life of a shim of the VM cache before it has a sandbox. The shim boots its VM, reports this to the cache server
 * that started it, and waits until a verb adopts it. Until then it ends with the server, or soon after it was promised
 * to a verb that does not come.
 */
import { moveProcesses } from "../cgroups/move.ts";
import type { Config } from "../config/config.ts";
import { type PoolPlaces, poolPlaces } from "../factory/cache/places.ts";
import { type Adoption, type CachedShim, maxCacheLine, mountNamespace } from "../factory/cache/protocol.ts";
import { sandboxPaths } from "../persist/paths.ts";
import { type WarmMachine, warmMachine } from "../sandbox/warm.ts";
import type { ByteStream, Listener, Os } from "../sys/os.ts";
import { ByteReader } from "../util/byte-reader.ts";
import { withDeadline } from "../util/deadline.ts";
import { deferred } from "../util/deferred.ts";
import { KumiteError, messageOf } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import type { Logger } from "../util/log.ts";
import { encodeUtf8 } from "../util/text.ts";

/** Time between the promise to a verb and the verb's adoption. */
const adoptionTimeoutMs = 10_000;
const helloTimeoutMs = 10_000;

export interface CachedOptions {
  readonly os: Os;
  readonly config: Config;
  readonly log: Logger;
  readonly listener: Listener;
  /** The stream to the cache server. */
  readonly boot: ByteStream;
  readonly name: string;
  /** Cgroups of the pool, which the shim leaves when it is adopted. */
  readonly cgroups: readonly string[];
}

export interface Adopted {
  readonly adoption: Adoption;
  readonly warm: WarmMachine;
}

/** `undefined` if nobody adopts the shim; its VM is then undone. @throws KumiteError if the VM does not come up */
export async function waitForAdoption(options: CachedOptions): Promise<Adopted | undefined> {
  const { os, config, log, boot, name, cgroups } = options;
  const places = poolPlaces(name);
  const life = new AbortController();
  const server = watchServer(boot, life);
  const warm = await warmMachine(os, { config, places, cgroups }, log, life.signal);
  try {
    await boot.write(encodeUtf8(`${JSON.stringify(await describe(options, warm))}\n`));
    const adoption = await adopted(options, places, warm, server);
    if (adoption !== undefined) return { adoption, warm };
  } catch (error) {
    log.warn(`the VM is discarded: ${messageOf(error)}`);
  }
  await warm.discard();
  return undefined;
}

/** The server writes one line, when it promises the shim to a verb. The stream's end means that the server is gone. */
interface Server {
  readonly promised: Promise<void>;
  readonly gone: Promise<void>;
}

function watchServer(boot: ByteStream, life: AbortController): Server {
  const promised = deferred();
  const gone = deferred();
  const follow = async (): Promise<void> => {
    const reader = new ByteReader(boot);
    const next = () => reader.readLine(maxCacheLine).catch(() => undefined);
    if ((await next()) === undefined) life.abort(new Error("the VM cache server has ended"));
    else promised.resolve();
    while (!life.signal.aborted && (await next()) !== undefined);
    gone.resolve();
  };
  void follow();
  return { promised: promised.promise, gone: gone.promise };
}

async function describe({ os, name }: CachedOptions, machine: WarmMachine): Promise<CachedShim> {
  const { pid, startTicks } = os.self;
  return { name, shim: { pid, startTicks }, socket: poolPlaces(name).socket, vm: await machine.onWire() };
}

async function adopted(
  { os, listener, cgroups, log }: CachedOptions,
  places: PoolPlaces,
  { vm }: WarmMachine,
  server: Server,
): Promise<Adoption | undefined> {
  const ended = vm.machine.exited.then(() => "ended" as const);
  const first = await Promise.race([
    server.promised.then(() => "promised" as const),
    server.gone.then(() => "gone" as const),
    ended,
  ]);
  if (first !== "promised") return undefined;
  const callers = listener[Symbol.asyncIterator]();
  // The server's end is noticed only between requests, so a verb that has begun the adoption is not cut off.
  const asking = async (): Promise<Adoption | undefined> => {
    for (;;) {
      const caller = await Promise.race([callers.next(), server.gone]);
      if (caller === undefined) return undefined;
      if (caller.done === true) throw new KumiteError("protocol/closed", "the socket was closed");
      const adoption = await ask(os, caller.value, places, cgroups, log);
      if (adoption !== undefined) return adoption;
    }
  };
  return withDeadline(adoptionTimeoutMs, "waiting for the command that took the VM", asking);
}

/** One attempt. The caller gets an answer, and may try again after a failure. */
async function ask(
  os: Os,
  stream: ByteStream,
  places: PoolPlaces,
  cgroups: readonly string[],
  log: Logger,
): Promise<Adoption | undefined> {
  try {
    const read = (signal: AbortSignal) => new ByteReader(stream).readLine(maxCacheLine, signal);
    const line = await withDeadline(helloTimeoutMs, "waiting for a request", read);
    const adoption = adoptionIn(line);
    if (adoption.mountNamespace !== (await mountNamespace(os))) {
      throw new KumiteError("oci/unsupported", "the caller is in another mount namespace than the cache");
    }
    await moveProcesses(os, cgroups, adoption.cgroups);
    for (const cgroup of cgroups) await os.files.removeDir(cgroup);
    await os.files.rename(places.socket, sandboxPaths(adoption.root, adoption.id).socket);
    await stream.write(encodeUtf8('{"adopted":true}\n'));
    return adoption;
  } catch (error) {
    log.warn(`a request for the VM failed: ${messageOf(error)}`);
    await stream.write(encodeUtf8(`${JSON.stringify({ error: messageOf(error) })}\n`)).catch(() => {});
    return undefined;
  } finally {
    stream.close();
  }
}

function adoptionIn(line: string | undefined): Adoption {
  const value = line === undefined ? undefined : parseJson(line);
  const adopt = isRecord(value) ? value.adopt : undefined;
  const texts = isRecord(adopt) ? [adopt.root, adopt.id, adopt.bundle, adopt.logFormat, adopt.mountNamespace] : [];
  const isWhole = texts.length > 0 && texts.every((text) => typeof text === "string");
  if (isRecord(adopt) && isWhole && Array.isArray(adopt.cgroups)) return adopt as unknown as Adoption;
  throw new KumiteError("protocol/violation", "the request is not for a VM");
}
