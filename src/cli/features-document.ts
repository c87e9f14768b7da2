/**
 * What this runtime supports, in the form of the OCI runtime specification (features.md). Pure data. What is accepted
 * without effect is not listed as supported.
 */
import { configAnnotations } from "../config/annotations.ts";
import { namespaceAnnotations } from "../factory/template-scope.ts";
import { capabilityNames } from "../oci/capabilities.ts";
import { roleAnnotations } from "../oci/container-role.ts";
import { supportedMountOptions } from "../oci/mount-options.ts";
import { rootfsAnnotation } from "../oci/rootfs-annotation.ts";
import { ociVersion } from "../oci/state.ts";
import { sizeAnnotations } from "../sandbox/static-sizing.ts";
import { actions, architectures, filterFlags, operators } from "../seccomp/actions.ts";

/** The installed version. */
export interface FeaturesSource {
  readonly version: string;
  readonly commit: string;
}

/** Returns a fresh copy at every call. */
export function featuresDocument({ version, commit }: FeaturesSource): Record<string, unknown> {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: ociVersion,
    hooks: ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
    mountOptions: supportedMountOptions(),
    linux: {
      namespaces: ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
      capabilities: capabilityNames,
      // These are the host's cgroups, where the VM's processes are accounted. Containers always see version 2.
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: false },
      seccomp: {
        enabled: true,
        actions: Object.keys(actions),
        operators: Object.keys(operators),
        archs: Object.keys(architectures),
        knownFlags: Object.keys(filterFlags),
        supportedFlags: Object.keys(filterFlags),
      },
      apparmor: { enabled: false },
      selinux: { enabled: false },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: false } },
      netDevices: { enabled: false },
    },
    annotations: { "io.kumite.version": version, "io.kumite.commit": commit },
    potentiallyUnsafeConfigAnnotations: [
      rootfsAnnotation,
      configAnnotations,
      ...roleAnnotations,
      ...sizeAnnotations,
      ...namespaceAnnotations,
    ].sort(),
  };
}
