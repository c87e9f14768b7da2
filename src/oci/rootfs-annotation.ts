/**
 * The annotation that chooses how the root file system reaches the guest. It contains no host path, because anyone who
 * may run a container may set it.
 */
export const rootfsAnnotation = "io.kumite.rootfs";
