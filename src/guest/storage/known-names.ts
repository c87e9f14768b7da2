/**
 * Makes the guest forget files of a shared directory in time. As long as there is memory, its kernel caches the name of
 * each file that was looked up, and for each cached name the host's daemon keeps a descriptor. When the daemon runs out
 * of descriptors, it cannot open the next file. The kernel gives no notice of the number of names, so the agent polls
 * it.
 */
import { openDirectory } from "../../sys/linux/directory.ts";
import { closeQuietly } from "../../sys/linux/file.ts";
import { exit, getpid, setsid } from "../../sys/linux/process.ts";
import { resetSignals } from "../../sys/linux/signal.ts";
import { readFileText, writeKernelFile } from "../../sys/linux/whole-file.ts";
import { messageOf } from "../../util/errors.ts";
import type { Logger } from "../../util/log.ts";
import { cgroupOf, cgroupRoot } from "../cgroup/hierarchy.ts";
import { closeAllBut } from "../child/descriptors.ts";
import { bear } from "../container/birth.ts";

export interface NamesLimit {
  /** When this many cached names are unused, all of them are dropped. */
  readonly names: number;
  /** How long it takes at least until there are that many again, in ms. */
  readonly everyMs: number;
}

const [namesOption, everyOption] = ["kumite.names=", "kumite.every_ms="];

/** Reads the limit from a storage's driver options, as a Kumite host sets them; `undefined` if there is none. */
export function namesLimitIn(options: readonly string[]): NamesLimit | undefined {
  const value = (name: string): number =>
    Number(options.find((option) => option.startsWith(name))?.slice(name.length) ?? Number.NaN);
  const [names, everyMs] = [value(namesOption), value(everyOption)];
  return Number.isSafeInteger(names) && names > 0 && Number.isSafeInteger(everyMs) && everyMs > 0
    ? { names, everyMs }
    : undefined;
}

/**
 * For all file systems; the second number is nr_unused. A directory with cached names in it counts as used, and is
 * dropped when these are. Names in a tmpfs count as used.
 */
const namesFile = "/proc/sys/fs/dentry-state";
const dropFile = "/proc/sys/vm/drop_caches";
/** Drops names and inodes; the inodes of a shared directory take their cached data along. */
const dropNames = "2";

/** Polls until the returned function is called. */
export function limitNames({ names, everyMs }: NamesLimit, log: Logger): () => void {
  let timer: unknown;
  let over = false;
  const look = async (): Promise<void> => {
    const unused = unusedNames();
    if (unused < names) return;
    await forgetNames();
    log.debug("unused file names were dropped", { unused, left: unusedNames() });
  };
  const next = (): void => {
    timer = setTimeout(() => {
      look()
        .catch((error: unknown) => log.warn("unused file names cannot be dropped", { error: messageOf(error) }))
        .finally(() => {
          if (!over) next();
        });
    }, everyMs);
  };
  next();
  return () => {
    over = true;
    clearTimeout(timer as number);
  };
}

function unusedNames(): number {
  return Number(readFileText(namesFile).split("\t")[1]) || 0;
}

/**
 * Uses a separate process: the daemon is told of each name, which takes tenths of a second, and the agent must serve
 * other requests.
 */
async function forgetNames(): Promise<void> {
  const cgroupFd = openDirectory(`${cgroupRoot}${cgroupOf(getpid())}`);
  try {
    const by = { run: dropAndEnd };
    const { process, control } = bear({ newNamespaces: 0, pidNamespace: undefined, cgroupFd, by });
    control.close();
    await process.exited;
  } finally {
    closeQuietly(cgroupFd);
  }
}

function dropAndEnd(): never {
  resetSignals();
  closeAllBut([]);
  setsid();
  // The first round only marks names that were looked up more than once.
  for (let round = 0; round < 2; round++) writeKernelFile(dropFile, dropNames);
  exit(0);
}
