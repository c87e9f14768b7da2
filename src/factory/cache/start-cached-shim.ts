/** Starts a shim of the cache, in a cgroup of its own below the factory's. */
import { failureIn } from "../../shim-client/boot-message.ts";
import type { ByteStream, ChildProcess, Os } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { KumiteError, messageOf } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { parseJson } from "../../util/json.ts";
import type { Logger } from "../../util/log.ts";
import { encodeUtf8, stripControls } from "../../util/text.ts";
import { type PoolPlaces, poolDirectory, poolPlaces, removeRemains } from "./places.ts";
import type { PooledShim } from "./pool.ts";
import { type CachedShim, isCachedShim, maxCacheLine } from "./protocol.ts";

export interface CachedShimRequest {
  /** The program of the shim, with the arguments that precede the shim's own. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly config: string | undefined;
  readonly overrides: readonly string[];
  /** Cgroups of the factory. */
  readonly cgroups: readonly string[];
  /** Time until its VM is ready. */
  readonly readyTimeoutMs: number;
  readonly log: Logger;
}

/** Agreed with the shim's `main.ts`, and the same as for a verb. */
const listenDescriptor = 3;
const bootDescriptor = 4;
const logTailLines = 10;

/** A start that fails leaves nothing. When the shim ends, whatever it was killed at, the rest of it is removed. */
export async function startCachedShim(os: Os, request: CachedShimRequest): Promise<PooledShim> {
  const name = toHex(os.random(6));
  const places = poolPlaces(name);
  const cgroups = request.cgroups.map((directory) => `${directory}/${name}`);
  const removeRest = (): Promise<void> =>
    removeRemains(os, name, request.cgroups).catch((error: unknown) =>
      request.log.warn(`the rest of a VM could not be removed: ${messageOf(error)}`, { machine: name }),
    );
  const child = await spawnIn(os, places, cgroups, request).catch(async (error: unknown) => {
    await removeRest();
    throw error;
  });
  const boot = child.streams.get(bootDescriptor);
  if (boot === undefined) throw new KumiteError("internal", "a shim was started without a boot channel");
  const ready = machineOf(os, boot, places, request.readyTimeoutMs);
  const ended = deferred();
  void child.exited.then(async () => {
    // The shim's log is among the remains, and explains why it is not ready.
    await ready.catch(() => {});
    await removeRest();
    ended.resolve();
  });
  return {
    ready,
    ended: ended.promise,
    release: async () => {
      await boot.write(encodeUtf8('{"promised":true}\n')).catch(() => {});
      // The shim closes the channel when it is claimed and when it ends.
      while ((await boot.read().catch(() => undefined)) !== undefined);
      boot.close();
      // If the VM was taken, its cgroups are gone already.
      const groups = await Promise.all(cgroups.map((cgroup) => os.files.status(cgroup)));
      if (groups.some((group) => group !== undefined)) await ended.promise;
    },
    // A shim that loses its boot channel undoes what it made, and ends.
    stop: () => void boot.end().catch(() => {}),
  };
}

async function spawnIn(
  os: Os,
  places: PoolPlaces,
  cgroups: readonly string[],
  request: CachedShimRequest,
): Promise<ChildProcess> {
  await os.files.makeDirs(poolDirectory, 0o700);
  await os.files.makeDirs(places.directory, 0o700);
  for (const cgroup of cgroups) await os.files.makeDir(cgroup, 0o755);
  const config = request.config === undefined ? [] : ["--config", request.config];
  const overrides = request.overrides.flatMap((override) => ["--set", override]);
  return await os.processes.spawn({
    path: request.path,
    argv: [...request.argv, "--cached", places.name, "--cgroups", JSON.stringify(cgroups), ...config, ...overrides],
    env: request.env,
    cwd: "/",
    newSession: true,
    cgroups,
    descriptors: {
      2: { kind: "append", path: places.log, mode: 0o600 },
      [listenDescriptor]: { kind: "listen", path: places.socket, mode: 0o600 },
      [bootDescriptor]: { kind: "stream" },
    },
  });
}

/** Resolves with the VM when the shim reports that it runs. */
function machineOf(os: Os, boot: ByteStream, places: PoolPlaces, timeoutMs: number): Promise<CachedShim> {
  return withDeadline(timeoutMs, "the start of a VM for the cache", async (signal) => {
    const line = await new ByteReader(boot).readLine(maxCacheLine, signal).catch(() => undefined);
    const said = line === undefined ? undefined : parseJson(line);
    if (isCachedShim(said)) return said;
    const cause = failureIn(said) ?? new Error(await lastLines(os, places.log));
    throw new KumiteError("hypervisor/start-failed", "a VM for the cache did not start", { cause });
  });
}

async function lastLines(os: Os, log: string): Promise<string> {
  const text = await os.files.readText(log).catch(() => "");
  const lines = stripControls(text).trimEnd().split("\n").slice(-logTailLines).join("\n");
  return lines === "" ? "its shim ended without a message" : lines;
}
