/**
 * What this runtime supports, in the form of the OCI runtime specification (features.md). Pure data: what is accepted
 * without effect is not listed as supported.
 */
import { ociVersion } from "../oci/state.ts";

/** A fresh copy at every call. */
export function featuresDocument(): Record<string, unknown> {
  return {
    ociVersionMin: "1.0.0",
    ociVersionMax: ociVersion,
    hooks: [],
    mountOptions: mountOptions(),
    linux: {
      namespaces: ["cgroup", "ipc", "mount", "network", "pid", "uts"],
      capabilities: capabilities.split(" ").map((name) => `CAP_${name}`),
      // Of the host, where the processes of a machine are accounted. A container sees version 2.
      cgroup: { v1: true, v2: true, systemd: false, systemdUser: false, rdma: false },
      seccomp: { enabled: false },
      apparmor: { enabled: false },
      selinux: { enabled: false },
      intelRdt: { enabled: false },
      mountExtensions: { idmap: { enabled: false } },
    },
    annotations: {},
  };
}

function mountOptions(): string[] {
  const plain = "async bind defaults dirsync lazytime loud nolazytime rbind remount silent sync tmpcopyup".split(" ");
  const attributes =
    "atime dev diratime exec noatime nodev nodiratime noexec norelatime nostrictatime nosuid nosymfollow";
  const more = "relatime ro rw strictatime suid symfollow private shared slave unbindable";
  const both = `${attributes} ${more}`.split(" ");
  return [...plain, ...both, ...both.map((option) => `r${option}`)].sort();
}

const capabilities =
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE " +
  "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN " +
  "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE " +
  "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE";
