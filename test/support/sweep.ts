/**
 * Removes what killed test processes left: containers, processes, cgroups, mounts and files. Only touches things that
 * name the test directory of a dead process, which nobody else can use.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { removeCgroup } from "../../src/persist/undo-cgroup.ts";
import { execute } from "./command.ts";
import { testOs } from "./node-os.ts";
import { type TestDirectory, testDirectories } from "./test-directory.ts";

const kumite = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../bin/kumite");
/** Where engines put containers, and where the library puts sandboxes. */
const sharedRoots = ["/run/kumite", "/run/kumite-library"];
const cgroupRoot = "/sys/fs/cgroup";
const cgroupTimeoutMs = 30_000;

/** @returns the directories that were swept */
export async function sweepDeadTests(directories: readonly TestDirectory[] = testDirectories()): Promise<string[]> {
  const dead = directories.filter(({ pid }) => !existsSync(`/proc/${pid}`));
  for (const directory of dead) await sweep(directory);
  return dead.map((directory) => directory.path);
}

async function sweep({ path: directory, idPart }: TestDirectory): Promise<void> {
  // An engine or a foreground verb could start the next one.
  killAllThatName(directory);
  for (const root of [path.join(directory, "root"), ...sharedRoots]) {
    for (const id of await containersOf(root, directory))
      await execute([kumite, "--root", root, "delete", "--force", id]);
  }
  for (const cgroup of cgroupsNamed(idPart)) {
    await removeCgroup(testOs(), cgroup, AbortSignal.timeout(cgroupTimeoutMs));
  }
  const mounted = (await testOs().mounts.table()).filter(({ target }) => isBelow(directory, target));
  for (const { target } of mounted.reverse()) await execute(["umount", "--lazy", target]);
  await rm(directory, { recursive: true, force: true });
}

/**
 * A root below the test directory contains only its own containers; in a shared root they are recognised by their
 * bundles.
 */
async function containersOf(root: string, directory: string): Promise<string[]> {
  if (!existsSync(root)) return [];
  const { status, stdout } = await execute([kumite, "--root", root, "list", "--format", "json"]);
  const listed = status === 0 ? ((JSON.parse(stdout) ?? []) as { id: string; bundle: string }[]) : [];
  return listed.filter(({ bundle }) => isBelow(directory, root) || isBelow(directory, bundle)).map(({ id }) => id);
}

/** Includes their descendants, except for shims and relays, which `delete` ends in the right order. */
function killAllThatName(directory: string): void {
  const processes = readdirSync("/proc").flatMap((name) => (/^\d+$/.test(name) ? (processOf(Number(name)) ?? []) : []));
  const isOurs = ({ pid, words }: Process) => pid !== process.pid && !/^kumite-(shim|relay)$/.test(words[0] ?? "");
  const pending = processes.filter(
    (found) => isOurs(found) && found.words.some((word) => word.includes(`${directory}/`)),
  );
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const { pid } = next;
    pending.push(...processes.filter((child) => child.parentPid === pid && isOurs(child)));
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // The process has ended already.
    }
  }
}

interface Process {
  readonly pid: number;
  readonly parentPid: number;
  readonly words: readonly string[];
}

function processOf(pid: number): Process | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const parentPid = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    return { pid, parentPid, words: readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0") };
  } catch {
    return undefined;
  }
}

/** Only the topmost ones. */
function cgroupsNamed(part: string): string[] {
  const found: string[] = [];
  const pending = [cgroupRoot];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const entry of entriesOf(next)) {
      const child = path.join(next, entry.name);
      if (!entry.isDirectory()) continue;
      if (entry.name.includes(part)) found.push(child);
      else pending.push(child);
    }
  }
  return found;
}

function entriesOf(directory: string) {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

function isBelow(directory: string, file: string): boolean {
  return file.startsWith(`${directory}/`);
}
