/** Starts a shim of the cache, in a cgroup of its own below the factory's. */
import { failureIn } from "../../shim-client/boot-message.ts";
import type { Os } from "../../sys/os.ts";
import { ByteReader } from "../../util/byte-reader.ts";
import { withDeadline } from "../../util/deadline.ts";
import { deferred } from "../../util/deferred.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { toHex } from "../../util/hex.ts";
import { parseJson } from "../../util/json.ts";
import { encodeUtf8 } from "../../util/text.ts";
import { poolDirectory, poolPlaces } from "./places.ts";
import type { PooledShim } from "./pool.ts";
import { isCachedShim, maxCacheLine } from "./protocol.ts";

export interface CachedShimRequest {
  /** The program of the shim, with the arguments that precede the shim's own. */
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly config: string | undefined;
  readonly overrides: readonly string[];
  /** Cgroups of the factory. */
  readonly cgroups: readonly string[];
}

/** Agreed with the shim's `main.ts`, and the same as for a verb. */
const listenDescriptor = 3;
const bootDescriptor = 4;
const readyTimeoutMs = 120_000;

export async function startCachedShim(os: Os, request: CachedShimRequest): Promise<PooledShim> {
  const name = toHex(os.random(6));
  const places = poolPlaces(name);
  await os.files.makeDirs(poolDirectory, 0o700);
  await os.files.makeDirs(places.directory, 0o700);
  const cgroups = request.cgroups.map((directory) => `${directory}/${name}`);
  for (const cgroup of cgroups) await os.files.makeDir(cgroup, 0o755);
  const config = request.config === undefined ? [] : ["--config", request.config];
  const overrides = request.overrides.flatMap((override) => ["--set", override]);
  const child = await os.processes.spawn({
    path: request.path,
    argv: [...request.argv, "--cached", name, "--cgroups", JSON.stringify(cgroups), ...config, ...overrides],
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
  const boot = child.streams.get(bootDescriptor);
  if (boot === undefined) throw new KumiteError("internal", "a shim was started without a boot channel");
  const ended = deferred();
  void child.exited.then(async () => {
    // If the VM was taken, its cgroups are gone already.
    for (const cgroup of cgroups) await removeQuietly(os, cgroup);
    ended.resolve();
  });
  const ready = withDeadline(readyTimeoutMs, "the start of a VM for the cache", async (signal) => {
    const line = await new ByteReader(boot).readLine(maxCacheLine, signal).catch(() => undefined);
    const said = line === undefined ? undefined : parseJson(line);
    if (isCachedShim(said)) return said;
    const cause = failureIn(said);
    const more = cause === undefined ? { hint: `see ${places.log}` } : { cause };
    throw new KumiteError("hypervisor/start-failed", "a VM for the cache did not start", more);
  });
  return {
    ready,
    ended: ended.promise,
    release: async () => {
      await boot.write(encodeUtf8('{"promised":true}\n')).catch(() => {});
      // The shim closes the channel when it is claimed and when it ends.
      while ((await boot.read().catch(() => undefined)) !== undefined);
      boot.close();
      const groups = await Promise.all(cgroups.map((cgroup) => os.files.status(cgroup)));
      if (groups.some((group) => group !== undefined)) await ended.promise;
    },
    // A shim that loses its boot channel undoes what it made, and ends.
    stop: () => void boot.end().catch(() => {}),
  };
}

async function removeQuietly(os: Os, directory: string): Promise<void> {
  try {
    await os.files.removeDir(directory);
  } catch (error) {
    // What is still in the cgroup is removed by `sweepPool`.
    if (!isSystemError(error)) throw error;
  }
}
