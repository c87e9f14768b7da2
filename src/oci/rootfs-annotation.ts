/** The annotation that chooses the way to the root file system. It names no path of the host: whoever may run a container may set it. */
export const rootfsAnnotation = "io.kumite.rootfs";
