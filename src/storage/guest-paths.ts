/**
 * Where the guest finds what the host shares with it: fixed by the agent protocol.
 */

/** Tag of the shared directory, and the source of its storage in the guest. */
export const sharedTag = "kataShared";

/** Where the guest mounts it. */
export const guestSharedDirectory = "/run/kata-containers/shared/containers";

/** In the shared directory: what is shared with every sandbox (`sandbox_bind_mounts`), by the last parts of its paths. */
export const sandboxMounts = "sandbox-mounts";

export function guestRootfs(containerId: string): string {
  return `${guestSharedDirectory}/${containerId}/rootfs`;
}

/** `index` is the mount's place in the specification. */
export function guestVolume(containerId: string, index: number): string {
  return `${guestSharedDirectory}/${containerId}/${volumeName(index)}`;
}

export function volumeName(index: number): string {
  return `volume-${index}`;
}
