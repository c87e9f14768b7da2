/**
 * Lets the guest forget files of a shared directory in time. Its kernel keeps the name of each file that was looked at as long as
 * there is memory, and for each the host's daemon keeps a descriptor, of which it may have too few: the next file could not be
 * opened. The kernel tells nobody how many they are, so one looks.
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
  /** When so many are kept that nobody uses, all of them are forgotten. */
  readonly names: number;
  /** How long it takes at least until there are so many more. */
  readonly everyMs: number;
}

const [namesOption, everyOption] = ["kumite.names=", "kumite.every_ms="];

/** Of a storage's driver options, as our host has them; `undefined` without. */
export function namesLimitIn(options: readonly string[]): NamesLimit | undefined {
  const value = (name: string): number =>
    Number(options.find((option) => option.startsWith(name))?.slice(name.length) ?? Number.NaN);
  const [names, everyMs] = [value(namesOption), value(everyOption)];
  return Number.isSafeInteger(names) && names > 0 && Number.isSafeInteger(everyMs) && everyMs > 0
    ? { names, everyMs }
    : undefined;
}

/**
 * Of all file systems: the second number is nr_unused. A directory that has names in it counts as used; without them it goes as
 * well. Those of a tmpfs are in use.
 */
const namesFile = "/proc/sys/fs/dentry-state";
const dropFile = "/proc/sys/vm/drop_caches";
/** Names and inodes; what they have cached goes with those of a shared directory. */
const dropNames = "2";

/** Looks until the result is called. */
export function limitNames({ names, everyMs }: NamesLimit, log: Logger): () => void {
  let timer: unknown;
  let over = false;
  const look = async (): Promise<void> => {
    const unused = unusedNames();
    if (unused < names) return;
    await forgetNames();
    log.debug("names of files were forgotten", { unused, left: unusedNames() });
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

/** By a process of its own: the daemon is told of each, which takes tenths of a second, and the agent has others to serve. */
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
  // The first time what was looked at more than once is only marked.
  for (let round = 0; round < 2; round++) writeKernelFile(dropFile, dropNames);
  exit(0);
}
