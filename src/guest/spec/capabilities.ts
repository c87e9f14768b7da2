/**
 * Names of capabilities to the masks the kernel takes (capabilities(7)).
 * Pure; which of them the running kernel knows is found out where they are applied.
 */
import type { Fields } from "./fields.ts";
import type { CapabilitySets } from "./plan.ts";

/** By number. */
const names = [
  "CAP_CHOWN",
  "CAP_DAC_OVERRIDE",
  "CAP_DAC_READ_SEARCH",
  "CAP_FOWNER",
  "CAP_FSETID",
  "CAP_KILL",
  "CAP_SETGID",
  "CAP_SETUID",
  "CAP_SETPCAP",
  "CAP_LINUX_IMMUTABLE",
  "CAP_NET_BIND_SERVICE",
  "CAP_NET_BROADCAST",
  "CAP_NET_ADMIN",
  "CAP_NET_RAW",
  "CAP_IPC_LOCK",
  "CAP_IPC_OWNER",
  "CAP_SYS_MODULE",
  "CAP_SYS_RAWIO",
  "CAP_SYS_CHROOT",
  "CAP_SYS_PTRACE",
  "CAP_SYS_PACCT",
  "CAP_SYS_ADMIN",
  "CAP_SYS_BOOT",
  "CAP_SYS_NICE",
  "CAP_SYS_RESOURCE",
  "CAP_SYS_TIME",
  "CAP_SYS_TTY_CONFIG",
  "CAP_MKNOD",
  "CAP_LEASE",
  "CAP_AUDIT_WRITE",
  "CAP_AUDIT_CONTROL",
  "CAP_SETFCAP",
  "CAP_MAC_OVERRIDE",
  "CAP_MAC_ADMIN",
  "CAP_SYSLOG",
  "CAP_WAKE_ALARM",
  "CAP_BLOCK_SUSPEND",
  "CAP_AUDIT_READ",
  "CAP_PERFMON",
  "CAP_BPF",
  "CAP_CHECKPOINT_RESTORE",
] as const;

export type CapabilityName = (typeof names)[number];

export function capabilityNumber(name: CapabilityName): number {
  return names.indexOf(name);
}

const bitByName: ReadonlyMap<string, bigint> = new Map(names.map((name, number) => [name, 1n << BigInt(number)]));

const noCapabilities: CapabilitySets = { bounding: 0n, effective: 0n, inheritable: 0n, permitted: 0n, ambient: 0n };

/**
 * `process.capabilities`; without it a process has none. An unknown name grants nothing, so it is told through
 * `ignored` instead of failing the container: engines know newer kernels than guests run.
 */
export function readCapabilities(process: Fields, ignored: (phrase: string) => void): CapabilitySets {
  const fields = process.object("capabilities");
  if (fields === undefined) return noCapabilities;
  const mask = (set: string): bigint => {
    let bits = 0n;
    for (const name of fields.texts(set)) {
      const bit = bitByName.get(name) ?? bitByName.get(name.toUpperCase());
      if (bit === undefined) ignored(`unknown capability ${JSON.stringify(name)}`);
      else bits |= bit;
    }
    return bits;
  };
  return {
    bounding: mask("bounding"),
    effective: mask("effective"),
    inheritable: mask("inheritable"),
    permitted: mask("permitted"),
    ambient: mask("ambient"),
  };
}
