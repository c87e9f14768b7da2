/**
 * Claiming an id. A container's directory appears under its name at once, with journal and record in it, or not at all,
 * and disappears the same way. So everything found under an id can be recovered.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { toHex } from "../util/hex.ts";
import { baseName, joinPath } from "../util/path.ts";
import { Journal, type JournalContent, serializeJournal } from "./journal.ts";
import { listOrNothing } from "./list-directory.ts";
import { type ContainerPaths, containerPaths, socketDirectory } from "./paths.ts";
import { type ContainerRecord, serializeRecord } from "./record.ts";

export interface ClaimRequest {
  /** Absolute path; created if it is missing. */
  readonly root: string;
  /** Already checked by `checkContainerId`. */
  readonly id: string;
  /** The sandbox that the container is added to; `undefined` for a container that creates its own. */
  readonly sandbox?: string | undefined;
  /** Absolute path. */
  readonly bundle: string;
  /** Absolute path. */
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Claim {
  readonly paths: ContainerPaths;
  /** Owned by this process until it is handed over. */
  readonly journal: Journal;
}

/** @throws KumiteError `container/exists` if the id is in use */
export async function claimContainer(os: Os, request: ClaimRequest): Promise<Claim> {
  const { root, id, sandbox } = request;
  const paths = containerPaths(root, id);
  if (paths.directory === socketDirectory) {
    throw new KumiteError("container/bad-id", `container id ${id} cannot be used under ${root}`, {
      hint: `${socketDirectory} holds the sockets of all sandboxes; choose another id or another --root`,
      data: { id, root },
    });
  }
  await os.files.makeDirs(root, 0o700);
  await sweepTransient(os, root);

  const content: JournalContent = {
    id,
    ...(sandbox !== undefined && { sandbox }),
    token: toHex(os.random(16)),
    owner: { pid: os.self.pid, startTicks: os.self.startTicks },
    steps: [],
  };
  const staged = transientPath(os, root, "claim");
  await os.files.makeDir(staged, 0o700);
  try {
    await os.files.replace(`${staged}/journal.json`, serializeJournal(content));
    await os.files.replace(`${staged}/state.json`, serializeRecord(firstRecord(os, request)));
    // Created now, because recovery could not create it on a disk that has filled up.
    await os.files.write(`${staged}/${baseName(paths.lock)}`, "");
    // Fails if the name is taken, except by an empty directory.
    await os.files.rename(staged, paths.directory);
  } catch (error) {
    await os.files.removeTree(staged);
    if (isSystemError(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw inUse(id, paths.directory);
    throw error;
  }
  return { paths, journal: new Journal(os, paths.journal, content) };
}

/**
 * Releases the id: the directory disappears in one step and its content afterwards. Nothing may be mounted in it any
 * more. In between, `whenGone` is called with the content's new path. If it fails, the content is removed all the same.
 */
export async function releaseClaim(
  os: Os,
  root: string,
  paths: ContainerPaths,
  whenGone: (directory: string) => Promise<void> = async () => {},
): Promise<void> {
  const gone = transientPath(os, root, "gone");
  try {
    await os.files.rename(paths.directory, gone);
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return;
    throw error;
  }
  try {
    await whenGone(gone);
  } finally {
    await os.files.removeTree(gone);
  }
}

/** Ids of the containers under `root`, unordered; empty if `root` does not exist. */
export async function listClaims(os: Os, root: string): Promise<string[]> {
  const names = (await listOrNothing(os, root)).filter((name) => !name.startsWith("."));
  const found = await Promise.all(names.map((name) => os.files.status(containerPaths(root, name).journal)));
  return names.filter((_, index) => found[index] !== undefined);
}

function firstRecord(os: Os, { id, bundle, rootfs, annotations }: ClaimRequest): ContainerRecord {
  const createdMs = os.clock.now();
  return { id, bundle, rootfs, annotations, createdMs, status: { phase: "creating" }, timeline: {} };
}

// Ids never begin with a dot. The name identifies its owner; others leave it alone while that process lives.
function transientPath(os: Os, root: string, kind: "claim" | "gone"): string {
  return joinPath(root, `.${kind}-${os.self.pid}-${os.self.startTicks}-${toHex(os.random(6))}`);
}

/** Removes the remains of a claim or release that was killed half-way. @returns the names that were removed */
export async function sweepTransient(os: Os, root: string): Promise<string[]> {
  const swept: string[] = [];
  for (const name of await listOrNothing(os, root)) {
    const owner = /^\.(?:claim|gone)-(\d+)-(\d+)-[0-9a-f]+$/.exec(name);
    if (owner === null) continue;
    const process = await os.processes.info(Number(owner[1]));
    if (process?.startTicks === Number(owner[2])) continue;
    try {
      await os.files.removeTree(joinPath(root, name));
      swept.push(name);
    } catch (error) {
      // Another sweep may be removing it too. A claim must not fail because of another process's remains.
      if (!isSystemError(error)) throw error;
    }
  }
  return swept;
}

function inUse(id: string, directory: string): KumiteError {
  return new KumiteError("container/exists", `container with id exists: ${id}`, {
    hint: `choose another id, or remove the container with \`kumite delete ${id}\``,
    data: { id, directory },
  });
}
