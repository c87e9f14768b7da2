/** OCI configurations for tests: that of `runc spec`, with the changes that a test wants. */
import { defaultSpec } from "../../oci/default-spec.ts";
import type { OciProcess, OciSpec } from "../../oci/spec.ts";

export const guestShared = "/run/kata-containers/shared/containers";

const capabilities = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

export function processOf(args: readonly string[], changes: Partial<OciProcess> = {}): OciProcess {
  return {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: args as OciProcess["args"],
    env: ["PATH=/bin", "TERM=xterm"],
    cwd: "/",
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    rlimits: [{ type: "RLIMIT_CORE", hard: 0, soft: 0 }],
    noNewPrivileges: true,
    ...changes,
  };
}

export interface SpecChanges extends Omit<Partial<OciSpec>, "process"> {
  readonly process?: Partial<OciProcess>;
}

export function specOf(args: readonly string[], { process, linux, mounts, ...rest }: SpecChanges = {}): OciSpec {
  return {
    ociVersion: "1.0.2",
    process: processOf(args, process),
    root: { path: `${guestShared}/box/rootfs` },
    hostname: "box",
    ...rest,
    mounts: [...(defaultSpec().mounts ?? []), ...(mounts ?? [])],
    linux: {
      resources: { devices: [{ allow: false, access: "rwm" }] },
      namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "uts" }, { type: "mount" }, { type: "cgroup" }],
      maskedPaths: ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
      readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
      ...linux,
    },
  };
}
