/**
 * /dev/shm of a sandbox: one tmpfs in the guest that all of its containers share. The sandbox's first container decides
 * its size and whether it exists. Pure.
 */
import { mountAttributeWords, mountPlainWords, mountPropagationWords } from "../oci/mount-options.ts";
import type { OciMount } from "../oci/spec.ts";
import { normalizePath } from "../util/path.ts";

/** The guest's path of it, as defined by the agent protocol. */
export const guestSharedMemory = "/run/kata-containers/sandbox/shm";

const place = "/dev/shm";

/** A storage of the sandbox, as the agent gets it. */
export interface SharedMemory {
  readonly driver: "ephemeral";
  readonly source: "shm";
  readonly fstype: "tmpfs";
  readonly mountPoint: string;
  readonly options: string[];
}

/** `undefined` if the container has no tmpfs on /dev/shm; its sandbox then has no shared memory. */
export function sharedMemoryOf(mounts: readonly OciMount[]): SharedMemory | undefined {
  const mount = mounts.find(isSharedMemory);
  if (mount === undefined) return undefined;
  // Read-only and propagation are properties of the container's own mount, not of the shared tmpfs.
  const options = (mount.options ?? []).filter((word) => word !== "ro" && word !== "rw" && !isOfMountsOnly(word));
  if (!options.some((word) => word.startsWith("mode="))) options.push("mode=1777");
  return { driver: "ephemeral", source: "shm", fstype: "tmpfs", mountPoint: guestSharedMemory, options };
}

/** The mounts of any container in a sandbox with shared memory: binds of it replace the container's own tmpfs. */
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
