/**
 * Where the cache's VMs are until they are taken: one directory for each, with a journal of what it is made of. What a
 * dead shim leaves there is undone from that journal, as for a sandbox.
 */
import { readJournal } from "../../persist/journal.ts";
import { listOrNothing } from "../../persist/list-directory.ts";
import { socketDirectory } from "../../persist/paths.ts";
import { olderOf } from "../../persist/ring-file.ts";
import { undoAll } from "../../persist/undo.ts";
import { removeCgroup } from "../../persist/undo-cgroup.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";

/** The server's log, limited in size. It also says why the server could not start or died. */
export const cacheLog = "/run/kumite-cache/log";
export const cacheLogs: readonly string[] = [cacheLog, olderOf(cacheLog)];

/** Not below a state directory, where every name is a container's. */
export const poolDirectory = "/run/kumite-cache";

export interface PoolPlaces {
  readonly name: string;
  readonly directory: string;
  readonly journal: string;
  /** Parent of the tree that the guest mounts. */
  readonly shared: string;
  readonly vm: string;
  readonly log: string;
  readonly socket: string;
}

export function poolPlaces(name: string): PoolPlaces {
  const directory = `${poolDirectory}/${name}`;
  return {
    name,
    directory,
    journal: `${directory}/journal.json`,
    shared: `${directory}/shared`,
    vm: `${directory}/vm`,
    log: `${directory}/log`,
    socket: `${socketDirectory}/cache-${name}`,
  };
}

/** Removes what belongs to no living process. `cgroups` are the factory's. Never rejects. */
export async function sweepPool(os: Os, cgroups: readonly string[], log: Logger): Promise<void> {
  for (const name of await knownNames(os, cgroups)) {
    try {
      if (!(await isOwned(os, name))) await removeRemains(os, name, cgroups);
    } catch (error) {
      log.warn(`a failed VM could not be removed: ${messageOf(error)}`, { machine: name });
    }
  }
}

/** Collected from directories, cgroups and sockets, since a killed process may have left any of them. */
async function knownNames(os: Os, cgroups: readonly string[]): Promise<Set<string>> {
  const found = await Promise.all([poolDirectory, ...cgroups].map((directory) => listOrNothing(os, directory)));
  const sockets = (await listOrNothing(os, socketDirectory)).map((name) => name.replace(/^cache-/, ""));
  return new Set([...found.flat(), ...sockets].filter((name) => /^[0-9a-f]{12}$/.test(name)));
}

async function isOwned(os: Os, name: string): Promise<boolean> {
  const content = await readJournal(os, poolPlaces(name).journal);
  if (content === undefined) return false;
  const owner = await os.processes.info(content.owner.pid);
  return owner?.startTicks === content.owner.startTicks && owner.state !== "Z";
}

/** Undoes what the shim of this name left, which has ended. @throws if something could not be undone */
export async function removeRemains(os: Os, name: string, cgroups: readonly string[]): Promise<void> {
  const { journal, directory, socket } = poolPlaces(name);
  const content = await readJournal(os, journal);
  for (const cgroup of cgroups) await removeCgroup(os, `${cgroup}/${name}`, never);
  const failures = await undoAll(os, content?.steps ?? []);
  if (failures.length > 0) throw failures[0]?.error;
  await missingIsFine(os.files.removeTree(directory));
  await missingIsFine(os.files.removeFile(socket));
}

const never = new AbortController().signal;

async function missingIsFine(action: Promise<void>): Promise<void> {
  try {
    await action;
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}
