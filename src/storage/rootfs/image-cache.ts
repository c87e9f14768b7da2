/**
 * Images of root file systems, made once per content and kept in a directory that only root can write. Each image has
 * two files:
 *   KEY.erofs   the image, extended as a sparse file to the size that every layer's disk has
 *   KEY.size    how many bytes it takes; its mtime is the time of the last use
 * Changes are made under a lock. When the images take more than the limit, the least recently used ones are removed; a
 * VM that has one open keeps it.
 */
import type { Journal } from "../../persist/journal.ts";
import type { Os } from "../../sys/os.ts";
import { withDeadline } from "../../util/deadline.ts";
import { isSystemError, KumiteError } from "../../util/errors.ts";
import { decodeUtf8, encodeUtf8 } from "../../util/text.ts";
import { runTool, type ToolRequest } from "../host-tool.ts";
import { firstEntriesOf, type Range, withOuterParent } from "./image-parent.ts";
import { blockBytes, headBytes, imageOptions, rootInodeAt, withImageRoot } from "./image-root.ts";
import { type TreeKeyOptions, treeKey } from "./tree-key.ts";

export interface ImageCache {
  /** Absolute path; made if missing. */
  readonly directory: string;
  /** What all images together may take before the oldest are removed. */
  readonly limitBytes: number;
}

/** The size of every layer's disk. It is the same for all, so that VMs differ only in content. */
export const layerDiskBytes = 64 * 1024 ** 3;

/** An image that was chosen this long ago has been opened by its VM, so its name can be removed. */
const youngMs = 10 * 60_000;
const makeTimeoutMs = 10 * 60_000;
const digestTimeoutMs = 10_000;
/** Another process may be making an image. */
const lockTimeoutMs = makeTimeoutMs;
/** If the tree changes during a read, its key changes, and the image is made again. */
const attempts = 3;

/**
 * The path of an image of the directory's current content.
 * @throws KumiteError `storage/failed`, `timeout`, `aborted`; only complete images are left then
 */
export async function imageOf(
  os: Os,
  journal: Pick<Journal, "record">,
  cache: ImageCache,
  directory: string,
  signal: AbortSignal,
): Promise<string> {
  await ensurePrivate(os, cache.directory);
  let key = await imageKey(os, directory, signal);
  await using _lock = await lockCache(os, cache, signal);
  for (let attempt = 1; attempt <= attempts && key !== undefined; attempt++) {
    const image = `${cache.directory}/${key}.erofs`;
    if (await isImage(os, image)) {
      await makeRoom(os, cache, key);
      return image;
    }
    await makeImage(os, journal, { cache: cache.directory, directory, key }, signal);
    const now = await imageKey(os, directory, signal);
    if (now === key) {
      await makeRoom(os, cache, key);
      return image;
    }
    // The image may match neither the old nor the new state.
    await removeImage(os, cache, key);
    key = now;
  }
  throw new KumiteError("storage/failed", `${directory} is being changed, so no consistent image of it can be made`, {
    phase: "storage.image",
    hint: "create the container when its root file system no longer changes",
    data: { directory },
  });
}

/**
 * Part of the name of images with this outer root directory. Others are of earlier releases; they go when room is
 * needed.
 */
const layout = "r2";

async function imageKey(
  os: Os,
  directory: string,
  signal: AbortSignal,
  options?: TreeKeyOptions,
): Promise<string | undefined> {
  const key = await treeKey(os, directory, signal, options);
  return key === undefined ? undefined : `${key}-${layout}`;
}

/** How long a caller that does not want to wait tries to get the lock, in ms. */
const momentMs = 50;
/** Limit on the list of a tree's entries: about ten thousand. */
const shortListBytes = 1024 * 1024;

/**
 * As `imageOf`, but on the small engine, without making an image or waiting for one. `undefined` if there is none.
 * @throws KumiteError `storage/failed`, also for a tree with too many entries; `timeout`, `aborted`
 */
export async function presentImage(
  os: Os,
  cache: ImageCache,
  directory: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const digest = (text: string): Promise<string> => digestByTool(os, text, signal);
  const key = await imageKey(os, directory, signal, { limitBytes: shortListBytes, digest });
  if (key === undefined) return undefined;
  const image = `${cache.directory}/${key}.erofs`;
  if (!(await isImage(os, image))) return undefined;
  await ensurePrivate(os, cache.directory);
  await using _lock = await lockCache(os, cache, signal, momentMs);
  if (!(await isImage(os, image))) return undefined;
  await makeRoom(os, cache, key);
  return image;
}

/** SHA-256 of bytes given as one character each. */
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
  { cache, directory, key }: { readonly cache: string; readonly directory: string; readonly key: string },
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
    args: ["--quiet", "--preserve-mtime", ...imageOptions, `-U${uuidOf(key)}`, unfinished, directory],
  });
  await giveRoot(os, unfinished, directory, within);
  const size = (await os.files.status(unfinished))?.size ?? 0;
  if (size > layerDiskBytes) {
    await os.files.removeFile(unfinished);
    throw new KumiteError("storage/failed", `the image of ${directory} is larger than ${layerDiskBytes} bytes`);
  }
  await os.files.resize(unfinished, layerDiskBytes);
  await os.files.changeMode(unfinished, 0o400);
  // The content must be on the disk before the image gets its name, because a named image is trusted.
  await runTool(os, { ...within, tool: "sync", package: "coreutils", args: [unfinished] });
  await os.files.write(`${cache}/${key}.size`, `${size}\n`);
  await os.files.rename(unfinished, `${cache}/${key}.erofs`);
}

/** Writes the outer root directory into the image. */
async function giveRoot(os: Os, image: string, directory: string, within: Within): Promise<void> {
  const made = await os.files.readStart(image, headBytes);
  const head = withImageRoot(made);
  if (typeof head === "string") {
    throw new KumiteError(
      "storage/failed",
      `the image of ${directory} that mkfs.erofs has made cannot be used: ${head}`,
      {
        phase: "storage.image",
        hint: "install erofs-utils 1.5 or 1.8, which are known to work, or set the annotation io.kumite.rootfs to layers",
        data: { directory },
      },
    );
  }
  await overwrite(os, { image, at: 0, bytes: head }, within);
  const inodeAt = rootInodeAt(made);
  const inode = (await os.files.readStart(image, inodeAt + blockBytes)).subarray(inodeAt);
  const range = firstEntriesOf(inode, inodeAt);
  if (range === undefined) return;
  const entries = withOuterParent(await readRange(os, image, range, within));
  if (entries !== undefined) await overwrite(os, { image, at: range.at, bytes: entries }, within);
}

type Within = Pick<ToolRequest, "timeoutMs" | "signal">;

async function readRange(os: Os, image: string, { at, length }: Range, within: Within): Promise<Uint8Array> {
  const flags = "iflag=skip_bytes,count_bytes,fullblock";
  const args = [`if=${image}`, `bs=${blockBytes}`, flags, `skip=${at}`, `count=${length}`, "status=none"];
  return (await runTool(os, { ...within, tool: "dd", package: "coreutils", args })).output;
}

async function overwrite(
  os: Os,
  { image, at, bytes }: { readonly image: string; readonly at: number; readonly bytes: Uint8Array },
  within: Within,
): Promise<void> {
  const flags = ["conv=notrunc", "iflag=fullblock", "oflag=seek_bytes"];
  const args = [`of=${image}`, `bs=${blockBytes}`, ...flags, `seek=${at}`, "status=none"];
  await runTool(os, { ...within, tool: "dd", package: "coreutils", args, input: bytes });
}

/** Removes the file of a process that was killed while it held the lock. */
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

/** Marks the image `used` as the most recently used one and removes others if necessary. */
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
    // An image of unknown size is removed first.
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
