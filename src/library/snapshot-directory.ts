/**
 * A snapshot on disk: a directory that only root can access, with memory, device state, both layers of the root file
 * system and a description, which is written last. The directory gets its name when it is complete. An unfinished one
 * has another name and no description.
 */
import type { Sandbox } from "../sandbox/sandbox.ts";
import { freezeSandbox, requireSavable, type SavedSandbox } from "../sandbox/snapshot.ts";
import { copySparse } from "../storage/copy-file.ts";
import { runTool } from "../storage/host-tool.ts";
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { toHex } from "../util/hex.ts";
import { isRecord, parseJson } from "../util/json.ts";
import { dirName } from "../util/path.ts";
import { sha256Hex } from "../util/sha256.ts";
import { decodeUtf8 } from "../util/text.ts";
import type { HostOptions } from "./options.ts";

const version = 1;
const maxDescriptionBytes = 8 * 1024 * 1024;
const maxStateBytes = 64 * 1024 * 1024;
const checksumTimeoutMs = 300_000;

/** The options with which the VM was created. */
export type MachineOptions = Pick<HostOptions, "config" | "set" | "vcpus" | "memoryMiB">;

export interface SnapshotFiles {
  readonly directory: string;
  readonly description: string;
  readonly memory: string;
  readonly state: string;
  readonly lower: string;
  readonly upper: string;
}

export interface SnapshotContent {
  readonly files: SnapshotFiles;
  readonly saved: SavedSandbox;
  readonly machine: MachineOptions;
  readonly state: Uint8Array;
  /** Milliseconds since 1970. */
  readonly savedMs: number;
}

/** Size of a file in bytes, and its checksum by `cksum` if the whole file is read. */
interface FileFacts {
  readonly bytes: number;
  readonly checksum?: string;
}

interface Description {
  readonly version: number;
  readonly savedMs: number;
  readonly machine: MachineOptions;
  readonly saved: SavedSandbox;
  readonly files: Readonly<Record<"memory" | "state" | "lower" | "upper", FileFacts>>;
}

function snapshotFiles(directory: string): SnapshotFiles {
  const file = (name: string) => `${directory}/${name}`;
  return {
    directory,
    description: file("snapshot.json"),
    memory: file("memory"),
    state: file("state"),
    lower: file("lower"),
    upper: file("upper"),
  };
}

/** @throws KumiteError as `LiveSandbox.save` */
export async function writeSnapshot(
  sandbox: Sandbox,
  directory: string,
  options: HostOptions,
  signal: AbortSignal,
): Promise<void> {
  const { os } = sandbox.host;
  requireSavable(sandbox);
  if (!directory.startsWith("/")) throw new KumiteError("usage/invalid", `${directory} is not an absolute path`);
  if ((await os.files.linkStatus(directory)) !== undefined) {
    throw new KumiteError("storage/failed", `${directory} already exists`, {
      phase: "snapshot.save",
      hint: "remove it, or save to a directory that does not exist",
      data: { directory },
    });
  }
  await os.files.makeDirs(dirName(directory), 0o700);
  await sweepUnfinished(os, directory);
  const { pid, startTicks } = os.self;
  const unfinished = `${directory}.unfinished-${pid}-${startTicks}-${toHex(os.random(4))}`;
  const step = { kind: "directory", path: unfinished } as const;
  const journal = sandbox.resources?.journal;
  await journal?.record(step);
  try {
    await os.files.makeDir(unfinished, 0o700);
    await fill(sandbox, snapshotFiles(unfinished), options, signal);
    await os.files.rename(unfinished, directory);
  } catch (error) {
    // A directory that cannot be removed now stays in the journal, for `recover`.
    await os.files.removeTree(unfinished).then(
      () => journal?.forget([step]),
      () => {},
    );
    if (isSystemError(error)) {
      throw new KumiteError("storage/failed", `the snapshot ${directory} cannot be written`, {
        phase: "snapshot.save",
        data: { directory },
        cause: error,
      });
    }
    throw error;
  }
  // The snapshot is complete. A step that stays is harmless, because its path no longer exists.
  await journal?.forget([step]).catch(() => {});
}

async function fill(sandbox: Sandbox, files: SnapshotFiles, options: HostOptions, signal: AbortSignal): Promise<void> {
  const { os } = sandbox.host;
  const saved = await freezeSandbox(
    sandbox,
    async (frozen) => {
      await Promise.all([
        copySparse(os, frozen.memory, files.memory, signal),
        copySparse(os, frozen.upper, files.upper, signal),
        os.files.write(files.state, frozen.state),
      ]);
      // The lower layer never changes, and one image may serve many snapshots.
      await linkOrCopy(os, frozen.lower, files.lower, signal);
      return frozen.saved;
    },
    signal,
  );
  const { config, set, vcpus, memoryMiB } = options;
  const description: Description = {
    version,
    savedMs: os.clock.now(),
    machine: {
      ...(config !== undefined && { config }),
      ...(set !== undefined && { set }),
      ...(vcpus !== undefined && { vcpus }),
      ...(memoryMiB !== undefined && { memoryMiB }),
    },
    saved,
    files: {
      memory: await factsOf(os, files.memory, true, signal),
      state: await factsOf(os, files.state, true, signal),
      upper: await factsOf(os, files.upper, false, signal),
      lower: await factsOf(os, files.lower, false, signal),
    },
  };
  for (const file of [files.memory, files.state, files.upper]) await os.files.changeMode(file, 0o400);
  await runTool(os, {
    tool: "sync",
    package: "coreutils",
    args: [files.memory, files.state, files.upper],
    timeoutMs: checksumTimeoutMs,
    signal,
  });
  const text = JSON.stringify(description);
  await os.files.replace(files.description, `${sha256Hex(text)}\n${text}\n`, 0o400);
}

/** @throws KumiteError `snapshot/invalid`, naming the file, for a directory that is not a snapshot or is damaged */
export async function readSnapshot(os: Os, directory: string, signal: AbortSignal): Promise<SnapshotContent> {
  const files = snapshotFiles(directory);
  const status = await os.files.linkStatus(directory);
  if (status?.kind !== "directory") throw invalid(directory, "it is not a directory");
  if (status.uid !== 0 || (status.mode & 0o077) !== 0) {
    throw invalid(directory, "users other than root have access to it, and a VM would run from its content");
  }
  const { machine, saved, savedMs, files: facts } = await readDescription(os, files);
  for (const name of ["memory", "state", "lower", "upper"] as const) {
    await check(os, directory, files[name], facts[name], signal);
  }
  return { files, machine, saved, savedMs, state: await os.files.readBytes(files.state, maxStateBytes) };
}

async function check(os: Os, directory: string, file: string, facts: FileFacts, signal: AbortSignal): Promise<void> {
  const status = await os.files.linkStatus(file);
  if (status?.kind !== "file") throw invalid(directory, `${file} is missing`);
  if (status.size !== facts.bytes) throw invalid(directory, `${file} has ${status.size} bytes, not ${facts.bytes}`);
  if (facts.checksum !== undefined && facts.checksum !== (await checksumOf(os, file, signal))) {
    throw invalid(directory, `${file} differs from what was saved`);
  }
}

async function readDescription(os: Os, { directory, description }: SnapshotFiles): Promise<Description> {
  let text: string;
  try {
    text = await os.files.readText(description, maxDescriptionBytes);
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw invalid(directory, "it is incomplete or not a snapshot: there is no snapshot.json", error);
  }
  const [sum, body = ""] = text.split("\n");
  if (sum !== sha256Hex(body)) throw invalid(directory, "snapshot.json differs from what was saved");
  const value = parseJson(body);
  if (!isRecord(value) || value.version !== version)
    throw invalid(directory, "it was saved by another version of Kumite");
  return value as unknown as Description;
}

async function factsOf(os: Os, file: string, whole: boolean, signal: AbortSignal): Promise<FileFacts> {
  const status = await os.files.status(file);
  return { bytes: status?.size ?? 0, ...(whole && { checksum: await checksumOf(os, file, signal) }) };
}

/** Detects accidents, not attacks: only root can write to the directory. */
async function checksumOf(os: Os, file: string, signal: AbortSignal): Promise<string> {
  const request = { tool: "cksum", package: "coreutils", args: [file], timeoutMs: checksumTimeoutMs, signal };
  return decodeUtf8((await runTool(os, request)).output).split(" ", 1)[0] ?? "";
}

async function linkOrCopy(os: Os, from: string, to: string, signal: AbortSignal): Promise<void> {
  const request = { package: "coreutils", timeoutMs: checksumTimeoutMs, signal };
  try {
    await runTool(os, { ...request, tool: "ln", args: ["--", from, to] });
  } catch {
    if (signal.aborted) signal.throwIfAborted();
    await copySparse(os, from, to, signal);
  }
}

/** Removes the remains of programs that were killed while they saved to the same name. */
async function sweepUnfinished(os: Os, directory: string): Promise<void> {
  const parent = dirName(directory);
  const prefix = `${directory.slice(parent === "/" ? 1 : parent.length + 1)}.unfinished-`;
  for (const name of await os.files.list(parent)) {
    const owner = name.startsWith(prefix) ? /^(\d+)-(\d+)-[0-9a-f]+$/.exec(name.slice(prefix.length)) : null;
    if (owner === null || (await os.processes.info(Number(owner[1])))?.startTicks === Number(owner[2])) continue;
    await os.files.removeTree(`${parent}/${name}`).catch(() => {});
  }
}

function invalid(directory: string, why: string, cause?: unknown): KumiteError {
  return new KumiteError("snapshot/invalid", `the snapshot ${directory} cannot be used: ${why}`, {
    phase: "snapshot.open",
    hint: "save it again",
    data: { directory },
    cause,
  });
}
