/**
 * Claiming an id: the directory of a container appears under its name at once with journal and record in it, or not at
 * all, and it goes the same way. So whatever is found under an id can be recovered.
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
  /** Absolute; made when missing. */
  readonly root: string;
  /** Checked by `checkContainerId` before. */
  readonly id: string;
  /** That it is added to; `undefined` for a container that makes its own. */
  readonly sandbox?: string | undefined;
  /** Absolute. */
  readonly bundle: string;
  /** Absolute. */
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface Claim {
  readonly paths: ContainerPaths;
  /** Owned by this process until it is handed over. */
  readonly journal: Journal;
}

/** Fails with `container/exists` when the id is in use. */
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
    // On a disk that fills up from here on a recovery could not make it.
    await os.files.write(`${staged}/${baseName(paths.lock)}`, "");
    // Takes the name only if nothing or an empty directory has it.
    await os.files.rename(staged, paths.directory);
  } catch (error) {
    await os.files.removeTree(staged);
    if (isSystemError(error, "ENOTEMPTY", "EEXIST", "ENOTDIR")) throw inUse(id, paths.directory);
    throw error;
  }
  return { paths, journal: new Journal(os, paths.journal, content) };
}

/**
 * Gives the id back: the directory goes in one step, then its content. Nothing may be mounted in it any more. Between the
 * two `whenGone` is run with the place where the content is then; when it fails the content goes all the same.
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

/** Ids of the containers under `root`, in no order; empty when there is no root. */
export async function listClaims(os: Os, root: string): Promise<string[]> {
  const names = (await listOrNothing(os, root)).filter((name) => !name.startsWith("."));
  const found = await Promise.all(names.map((name) => os.files.status(containerPaths(root, name).journal)));
  return names.filter((_, index) => found[index] !== undefined);
}

function firstRecord(os: Os, { id, bundle, rootfs, annotations }: ClaimRequest): ContainerRecord {
  const createdMs = os.clock.now();
  return { id, bundle, rootfs, annotations, createdMs, status: { phase: "creating" }, timeline: {} };
}

// Ids never begin with a dot. The name says who works on it, so that others leave it alone while that process lives.
function transientPath(os: Os, root: string, kind: "claim" | "gone"): string {
  return joinPath(root, `.${kind}-${os.self.pid}-${os.self.startTicks}-${toHex(os.random(6))}`);
}

/** Removes what a claim or release left that was killed half-way. @returns the names of what is gone */
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
      // Another sweep may be at it; and a claim does not fail because of what somebody else left.
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
