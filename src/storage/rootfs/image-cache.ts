/**
 * Images of root file systems, made once for each content and kept: a directory of root's alone with, for each image,
 *   KEY.erofs   the image, extended to the size that every disk of a layer has, as a hole
 *   KEY.size    how many bytes it takes; its time of change is when the image was used last
 * One process at a time changes it, with the lock. When images take more than the limit, those that were not used for
 * longest go; a machine that has one open keeps it.
 */
import type { Journal } from "../../persist/journal.ts";
import type { Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { runTool } from "../host-tool.ts";
import { treeKey } from "./tree-key.ts";

export interface ImageCache {
  /** Absolute; made if missing. */
  readonly directory: string;
  /** What all images together may take before the oldest go. */
  readonly limitBytes: number;
}

/** Of every disk that a layer is on: the same, so that machines differ in nothing but the content. */
export const layerDiskBytes = 64 * 1024 ** 3;

/** One that was chosen this long ago is open by now in the machine it was chosen for: removing its name takes nothing. */
const youngMs = 10 * 60_000;
const makeTimeoutMs = 10 * 60_000;
const digestTimeoutMs = 10_000;
/** Another process may be making images. */
const lockTimeoutMs = makeTimeoutMs;
/** A tree that is changed while it is read gives another key. */
const attempts = 3;

/**
 * Path of the image of what the directory holds now.
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`; nothing but whole images is left then
 */
export async function imageOf(
  os: Os,
  journal: Pick<Journal, "record">,
  cache: ImageCache,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  await ensurePrivate(os, cache.directory);
  let key = await treeKey(os, directory, signal);
  await using _lock = await lockCache(os, cache, signal);
  for (let attempt = 1; attempt <= attempts && key !== undefined; attempt++) {
    const image = `${cache.directory}/${key}.erofs`;
    if (await isImage(os, image)) {
      await makeRoom(os, cache, key);
      return image;
    }
    await makeImage(os, journal, cache, directory, key, signal);
    const now = await treeKey(os, directory, signal);
    if (now === key) {
      await makeRoom(os, cache, key);
      return image;
    }
    // What was made may be of neither state.
    await removeImage(os, cache, key);
    key = now;
  }
  throw new KumiteError("storage/failed", `${directory} is being changed, so no consistent image of it can be made`, {
    phase: "storage.image",
    hint: "create the container when its root file system no longer changes",
    data: { directory },
  });
}

/** What whoever waits for nothing gives to the lock, in ms. */
const momentMs = 50;
/** Of the list of a tree's entries: some ten thousand. */
const shortListBytes = 1024 * 1024;

/**
 * As `imageOf`, on the small engine: makes none, and waits for nobody who makes one. A tree with a great many entries has none.
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`
 */
export async function presentImage(
  os: Os,
  cache: ImageCache,
  directory: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const digest = (text: string): Promise<string> => digestByTool(os, text, signal);
  const key = await treeKey(os, directory, signal, { limitBytes: shortListBytes, digest });
  if (key === undefined) return undefined;
  const image = `${cache.directory}/${key}.erofs`;
  if (!(await isImage(os, image))) return undefined;
  await ensurePrivate(os, cache.directory);
  await using _lock = await lockCache(os, cache, signal, momentMs);
  if (!(await isImage(os, image))) return undefined;
  await makeRoom(os, cache, key);
  return image;
}

/** SHA-256 of bytes that are written as characters. */
async function digestByTool(os: Os, text: string, signal: AbortSignal): Promise<string> {
  const tool = { tool: "sha256sum", package: "coreutils", args: [], timeoutMs: digestTimeoutMs, signal };
  const { output } = await runTool(os, { ...tool, input: encodeUtf8(text) });
  return decodeUtf8(output).slice(0, 64);
}

async function isImage(os: Os, path: string): Promise<boolean> {
  return (await os.files.linkStatus(path))?.kind === "file";
}

async function ensurePrivate(os: Os, directory: string): Promise<void> {
  await os.files.makeDirs(directory, 0o700);
  const status = await os.files.linkStatus(directory);
  if (status?.kind === "directory" && status.uid === 0 && (status.mode & 0o077) === 0) return;
  throw new KumiteError(
    "storage/failed",
    `${directory} is not a directory that only root can change, and VMs boot from the files in it`,
    {
      phase: "storage.image",
      hint: "remove it, or change it to owner root and mode 0700 if you trust its content",
      data: { directory },
    },
  );
}

function lockCache(
  os: Os,
  { directory }: ImageCache,
  signal: AbortSignal,
  timeoutMs = lockTimeoutMs,
): Promise<AsyncDisposable> {
  const file = `${directory}/lock`;
  return withDeadline(timeoutMs, `waiting for ${file}`, (limit) => os.files.lock(file, limit), signal);
}

async function makeImage(
  os: Os,
  journal: Pick<Journal, "record">,
  { directory: cache }: ImageCache,
  directory: string,
  key: string,
  signal: AbortSignal,
): Promise<void> {
  await removeUnfinished(os, cache);
  const unfinished = `${cache}/${key}.unfinished`;
  await journal.record({ kind: "file", path: unfinished });
  const within = { timeoutMs: makeTimeoutMs, signal };
  await runTool(os, {
    ...within,
    tool: "mkfs.erofs",
    package: "erofs-utils",
    args: ["--quiet", "--preserve-mtime", `-U${uuidOf(key)}`, unfinished, directory],
  });
  const size = (await os.files.status(unfinished))?.size ?? 0;
  if (size > layerDiskBytes) {
    await os.files.removeFile(unfinished);
    throw new KumiteError("storage/failed", `the image of ${directory} is larger than ${layerDiskBytes} bytes`);
  }
  await os.files.resize(unfinished, layerDiskBytes);
  await os.files.changeMode(unfinished, 0o400);
  // Complete on the disk before it has a name: an image is believed for as long as it has one.
  await runTool(os, { ...within, tool: "sync", package: "coreutils", args: [unfinished] });
  await os.files.write(`${cache}/${key}.size`, `${size}\n`);
  await os.files.rename(unfinished, `${cache}/${key}.erofs`);
}

/** Of whoever was killed while it held the lock. */
async function removeUnfinished(os: Os, cache: string): Promise<void> {
  for (const name of await os.files.list(cache)) {
    if (name.endsWith(".unfinished")) await os.files.removeFile(`${cache}/${name}`);
  }
}

function uuidOf(key: string): string {
  return [key.slice(0, 8), key.slice(8, 12), key.slice(12, 16), key.slice(16, 20), key.slice(20, 32)].join("-");
}

interface CachedImage {
  readonly key: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** The image `used` is the youngest from now on. */
async function makeRoom(os: Os, cache: ImageCache, used: string): Promise<void> {
  const sizeFile = `${cache.directory}/${used}.size`;
  const size = await os.files.readText(sizeFile).catch(() => `${layerDiskBytes}\n`);
  await os.files.write(sizeFile, size);
  const images = (await imagesIn(os, cache)).sort((a, b) => a.usedMs - b.usedMs);
  let total = images.reduce((sum, { bytes }) => sum + bytes, 0);
  const now = os.clock.now();
  for (const { key, bytes, usedMs } of images) {
    if (total <= cache.limitBytes) return;
    if (key === used || now - usedMs < youngMs) continue;
    await removeImage(os, cache, key);
    total -= bytes;
  }
}

async function imagesIn(os: Os, { directory }: ImageCache): Promise<CachedImage[]> {
  const images: CachedImage[] = [];
  for (const name of await os.files.list(directory)) {
    if (!name.endsWith(".erofs")) continue;
    const key = name.slice(0, -".erofs".length);
    const status = await os.files.status(`${directory}/${key}.size`);
    const text = status === undefined ? "" : await os.files.readText(`${directory}/${key}.size`);
    // One whose size is not known is the first to go.
    images.push({ key, bytes: Number(text) || layerDiskBytes, usedMs: status?.modifiedMs ?? 0 });
  }
  return images;
}

async function removeImage(os: Os, { directory }: ImageCache, key: string): Promise<void> {
  for (const file of [`${directory}/${key}.erofs`, `${directory}/${key}.size`]) {
    try {
      await os.files.removeFile(file);
    } catch (error) {
      if (!isSystemError(error, "ENOENT")) throw error;
    }
  }
}
