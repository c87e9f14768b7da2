/**
 * The store of templates: a directory that only root can write, with one directory for each key. Only the description
 * is a file. Memory, state and disk are descriptors of a keeper and disappear with it. An incomplete description, or
 * one whose keeper is gone, is not a template. Knows nothing of how a template is made.
 */

import { type AgentSession, isAgentSession } from "../agent-client/agent-session.ts";
import { listOrNothing } from "../persist/list-directory.ts";
import { layerDiskBytes } from "../storage/rootfs/image-cache.ts";
import type { Os, ProcessId } from "../sys/os.ts";
import { withDeadline } from "../util/deadline.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { signalNumbers } from "../util/signals.ts";
import { descriptorPath, memoryBytesOf } from "./keeper/keeper.ts";
import { keeperName, keyKeptBy } from "./keeper/protocol.ts";

/** What a VM has besides memory and CPUs. */
export const machineShapes = [
  /** Only the shared directory. */
  "directory",
  /**
   * The shared directory, and two disks of one size for the layers of a root file system; the lower disk is read-only.
   */
  "layers",
  /** Only the disks, and a fixed size: a VM that can be saved while it runs, since nothing of it is on the host. */
  "disks",
] as const;

export type MachineShape = (typeof machineShapes)[number];

export interface Template {
  readonly key: string;
  readonly shape: MachineShape;
  readonly keeper: ProcessId;
  /** Descriptors in the keeper. */
  readonly memory: number;
  readonly state: number;
  /** The disk that every clone's upper layer starts as a copy of; missing if the VMs have no disks. */
  readonly upper?: number;
  readonly memoryMiB: number;
  readonly vcpus: number;
  readonly stateBytes: number;
  /** How much of the host's memory it takes. */
  readonly takesBytes: number;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  /** How long the build took. */
  readonly buildMs: number;
  /** Version of the agent in the template. */
  readonly agentVersion: string;
  /** The session that the agent in it has with its host. */
  readonly session: AgentSession;
}

const version = 5;
const maxDescriptionBytes = 64 * 1024;
const endTimeoutMs = 10_000;

export interface TemplatePlaces {
  readonly directory: string;
  readonly description: string;
  /** Its mtime is the time of the last use. */
  readonly used: string;
  /** The template's shared directory, which is empty. */
  readonly empty: string;
  /** The disk of the lower layer until the VM is saved: a sparse file. */
  readonly lower: string;
  /** For the VM that becomes the template. */
  readonly machine: string;
  /** For the clone that is tried. */
  readonly trial: string;
}

export function templatePlaces(store: string, key: string): TemplatePlaces {
  const directory = `${store}/${key}`;
  return {
    directory,
    description: `${directory}/template.json`,
    used: `${directory}/used`,
    empty: `${directory}/empty`,
    lower: `${directory}/lower`,
    machine: `${directory}/machine`,
    trial: `${directory}/trial`,
  };
}

/** Must be held to make or remove templates in the store. Makes the store if it is missing. */
export async function lockStore(os: Os, store: string, signal?: AbortSignal): Promise<AsyncDisposable> {
  await os.files.makeDirs(store, 0o700);
  if (!(await isRootsAlone(os, store))) {
    throw new KumiteError("storage/failed", `${store} is not a directory that only root can change`, {
      phase: "template.store",
      hint: "VMs start from the files in it; remove it, or set another template_path in [factory]",
      data: { directory: store },
    });
  }
  return os.files.lock(`${store}/lock`, signal);
}

async function isRootsAlone(os: Os, store: string): Promise<boolean> {
  const status = await os.files.linkStatus(store);
  return status?.kind === "directory" && status.uid === 0 && (status.mode & 0o022) === 0;
}

/** `undefined` if there is no usable template. A template that another user could have written is not usable. */
export async function findTemplate(os: Os, store: string, key: string): Promise<Template | undefined> {
  if (!(await isRootsAlone(os, store))) return undefined;
  const template = await readDescription(os, templatePlaces(store, key).description);
  return template?.key === key && (await isWhole(os, template)) ? template : undefined;
}

/** All templates in the store, usable or not. */
export async function listTemplates(os: Os, store: string): Promise<{ readonly key: string; template?: Template }[]> {
  const keys = (await listOrNothing(os, store)).filter(isKey);
  return Promise.all(
    keys.sort().map(async (key) => {
      const template = await findTemplate(os, store, key);
      return template === undefined ? { key } : { key, template };
    }),
  );
}

/**
 * Call with the lock. Removes every unusable template in the store, and every keeper without one; with `all` the usable
 * ones, too. Returns the keys.
 */
export async function removeTemplates(os: Os, store: string, which: "broken" | "all"): Promise<string[]> {
  const entries = await listTemplates(os, store);
  const whole = entries.flatMap(({ key, template }) => (template === undefined ? [] : [key]));
  const kept = (await keepersOf(os, store)).map(({ key }) => key);
  const keys = [...new Set([...entries.map(({ key }) => key), ...kept])].sort();
  const removed = which === "all" ? keys : keys.filter((key) => !whole.includes(key));
  for (const key of removed) await removeTemplate(os, store, key);
  return removed;
}

/** Our files next to the templates, including those of a process that was killed while it replaced one. */
const ours = /^(log|log\.1|lock|hashes\.lock|hashes\.json(\.[0-9a-f]{12,16}\.tmp)?)$/;

/**
 * Call with the lock and without templates. Files that are not ours stay, and so does the directory: the path comes
 * from the configuration.
 */
export async function removeEmptied(os: Os, store: string): Promise<void> {
  for (const name of await listOrNothing(os, store)) {
    if (ours.test(name)) await os.files.removeFile(`${store}/${name}`);
  }
  try {
    await os.files.removeDir(store);
  } catch (error) {
    if (!isSystemError(error, "ENOTEMPTY", "EBUSY")) throw error;
  }
}

/** From here on other processes find the template. */
export async function publishTemplate(os: Os, store: string, template: Template): Promise<void> {
  const { description } = templatePlaces(store, template.key);
  await os.files.replace(description, `${JSON.stringify({ version, ...template })}\n`);
}

/** Call with the lock. Removes everything under the key. VMs that run on the template's memory keep it. */
export async function removeTemplate(os: Os, store: string, key: string): Promise<void> {
  const { directory, description } = templatePlaces(store, key);
  // Other versions of this program write other descriptions, but their keepers hold memory, too.
  const described = keeperIn(await readJson(os, description));
  const keepers = (await keepersOf(os, store)).filter((keeper) => keeper.key === key).map(({ process }) => process);
  if (described !== undefined && (await keeperLives(os, { keeper: described }))) keepers.push(described);
  for (const keeper of keepers) {
    await os.processes.signal(keeper, signalNumbers.SIGTERM);
    await withDeadline(endTimeoutMs, `waiting for process ${keeper.pid} to end`, (signal) =>
      os.processes.waitGone(keeper, signal),
    );
  }
  try {
    await os.files.removeTree(directory);
  } catch (error) {
    if (!isSystemError(error, "ENOENT")) throw error;
  }
}

export function memoryPath({ keeper, memory }: Pick<Template, "keeper" | "memory">): string {
  return descriptorPath(keeper, memory);
}

export function statePath({ keeper, state }: Pick<Template, "keeper" | "state">): string {
  return descriptorPath(keeper, state);
}

/** `undefined` if the template has no disk. */
export function upperPath({ keeper, upper }: Pick<Template, "keeper" | "upper">): string | undefined {
  return upper === undefined ? undefined : descriptorPath(keeper, upper);
}

async function isWhole(os: Os, template: Template): Promise<boolean> {
  if (!(await keeperLives(os, template))) return false;
  const { memoryMiB, stateBytes } = template;
  const sizes: (readonly [path: string | undefined, bytes: number])[] = [
    [memoryPath(template), memoryBytesOf(memoryMiB)],
    [statePath(template), stateBytes],
    [upperPath(template), layerDiskBytes],
  ];
  const right = sizes.map(async ([path, bytes]) => path === undefined || (await os.files.status(path))?.size === bytes);
  return (await Promise.all(right)).every((is) => is);
}

/** The keepers of the store's templates, from the process table, because a description may be damaged or gone. */
async function keepersOf(os: Os, store: string): Promise<{ readonly key: string; readonly process: ProcessId }[]> {
  const pids = (await os.files.list("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const processes = await Promise.all(pids.map((pid) => os.processes.info(pid)));
  return processes.flatMap((process) => {
    const key = process === undefined ? undefined : keyKeptBy(process.argv, store);
    // The key becomes the name of a directory that is removed.
    if (process === undefined || key === undefined || !isKey(key)) return [];
    return [{ key, process: { pid: process.pid, startTicks: process.startTicks } }];
  });
}

const isKey = (name: string): boolean => /^[0-9a-f]+$/.test(name);

/** Compares more than the pid, which may have been reused. */
async function keeperLives(os: Os, { keeper }: Pick<Template, "keeper">): Promise<boolean> {
  const process = await os.processes.info(keeper.pid);
  return process?.startTicks === keeper.startTicks && process.argv[0] === keeperName;
}

async function readDescription(os: Os, file: string): Promise<Template | undefined> {
  const value = await readJson(os, file);
  return isTemplate(value) ? value : undefined;
}

async function readJson(os: Os, file: string): Promise<unknown> {
  try {
    return parseJson(await os.files.readText(file, maxDescriptionBytes));
  } catch {
    // Whatever is wrong with the description, the template is made again.
    return undefined;
  }
}

const numbers = ["memory", "state", "memoryMiB", "vcpus", "stateBytes", "takesBytes", "createdMs", "buildMs"] as const;

function keeperIn(value: unknown): ProcessId | undefined {
  const keeper = isRecord(value) ? value.keeper : undefined;
  if (!isRecord(keeper) || !Number.isSafeInteger(keeper.pid) || !Number.isSafeInteger(keeper.startTicks))
    return undefined;
  return { pid: keeper.pid as number, startTicks: keeper.startTicks as number };
}

function isTemplate(value: unknown): value is Template {
  if (!isRecord(value) || value.version !== version) return false;
  if (typeof value.key !== "string" || typeof value.agentVersion !== "string") return false;
  if (keeperIn(value) === undefined || !isAgentSession(value.session)) return false;
  if (!machineShapes.some((shape) => shape === value.shape)) return false;
  if (value.upper !== undefined && typeof value.upper !== "number") return false;
  return numbers.every((name) => typeof value[name] === "number");
}
