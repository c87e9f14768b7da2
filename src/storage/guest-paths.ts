/** The guest's paths for what the host shares with it, as defined by the agent protocol. */

/** Tag of the shared directory, and the source of its storage in the guest. */
export const sharedTag = "kataShared";

/** Where the guest mounts it. */
export const guestSharedDirectory = "/run/kata-containers/shared/containers";

/**
 * Directory in the shared directory for what every sandbox gets (`sandbox_bind_mounts`), by the base names of the
 * paths.
 */
export const sandboxMounts = "sandbox-mounts";

export function guestRootfs(containerId: string): string {
  return `${guestSharedDirectory}/${containerId}/rootfs`;
}

/** `index` is the mount's index in the specification. */
export function guestVolume(containerId: string, index: number): string {
  return `${guestSharedDirectory}/${containerId}/${volumeName(index)}`;
}

export function volumeName(index: number): string {
  return `volume-${index}`;
}
