/**
 * /dev/shm of a sandbox: one file system of the guest that its containers see alike, as large as that of the container which
 * the sandbox was made with. Pure; whether there is one is decided by that container.
 */
import { mountAttributeWords, mountPlainWords, mountPropagationWords } from "../oci/mount-options.ts";
import type { OciMount } from "../oci/spec.ts";
import { normalizePath } from "../util/path.ts";

/** Where the guest has it: fixed by the agent protocol. */
export const guestSharedMemory = "/run/kata-containers/sandbox/shm";

const place = "/dev/shm";

/** As the agent gets it, a storage of the sandbox. */
export interface SharedMemory {
  readonly driver: "ephemeral";
  readonly source: "shm";
  readonly fstype: "tmpfs";
  readonly mountPoint: string;
  readonly options: string[];
}

/** `undefined` for a container without a tmpfs there: then its sandbox has none to be shared. */
export function sharedMemoryOf(mounts: readonly OciMount[]): SharedMemory | undefined {
  const mount = mounts.find(isSharedMemory);
  if (mount === undefined) return undefined;
  // What it is to one container, read-only or seen by others, is a matter of its own mount.
  const options = (mount.options ?? []).filter((word) => word !== "ro" && word !== "rw" && !isOfMountsOnly(word));
  if (!options.some((word) => word.startsWith("mode="))) options.push("mode=1777");
  return { driver: "ephemeral", source: "shm", fstype: "tmpfs", mountPoint: guestSharedMemory, options };
}

/** The mounts of any container of a sandbox that has one, with binds of it instead of a tmpfs of their own. */
export function withSharedMemory(mounts: readonly OciMount[]): OciMount[] {
  return mounts.map((mount) => {
    if (!isSharedMemory(mount)) return mount;
    const kept = (mount.options ?? []).filter((word) => isAttribute(word) || isOfMountsOnly(word));
    return { destination: mount.destination, type: "bind", source: guestSharedMemory, options: ["rbind", ...kept] };
  });
}

function isSharedMemory({ destination, type, options = [] }: OciMount): boolean {
  return normalizePath(`/${destination}`) === place && type === "tmpfs" && !options.includes("remount");
}

function isAttribute(word: string): boolean {
  return mountAttributeWords.some((known) => word === known || word === `r${known}`);
}

function isOfMountsOnly(word: string): boolean {
  const words: readonly string[] = [...mountPropagationWords, ...mountPlainWords];
  return words.includes(word) || /^(no)?tmpcopyup$/.test(word);
}
