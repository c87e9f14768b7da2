/**
 * Podman's default profile, converted to `linux.seccomp` as podman does it for a container with default capabilities.
 */
import { readFileSync } from "node:fs";

const file = "/usr/share/containers/seccomp.json";
const capabilities = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT"
  .split(" ")
  .map((name) => `CAP_${name}`);

interface Filter {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
}

interface PodmanProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly archMap: readonly { readonly architecture: string; readonly subArchitectures: readonly string[] }[];
  readonly syscalls: readonly {
    readonly names: readonly string[];
    readonly action: string;
    readonly errnoRet?: number;
    readonly args: readonly Readonly<Record<string, unknown>>[] | null;
    readonly includes: Filter;
    readonly excludes: Filter;
  }[];
}

export function podmanProfile(): Record<string, unknown> {
  const { defaultAction, defaultErrnoRet, archMap, syscalls } = JSON.parse(readFileSync(file, "utf8")) as PodmanProfile;
  const own = archMap.find(({ architecture }) => architecture === "SCMP_ARCH_X86_64");
  if (own === undefined) throw new Error(`${file} has nothing for this machine`);
  return {
    defaultAction,
    defaultErrnoRet,
    architectures: [own.architecture, ...own.subArchitectures],
    syscalls: syscalls
      .filter(({ includes, excludes }) => isIncluded(includes) && !isExcluded(excludes))
      .map(({ names, action, errnoRet, args }) => ({ names, action, errnoRet, args: args ?? [] })),
  };
}

function isIncluded({ arches = [], caps = [] }: Filter): boolean {
  return (arches.length === 0 || arches.includes("amd64")) && caps.every((name) => capabilities.includes(name));
}

function isExcluded({ arches = [], caps = [] }: Filter): boolean {
  return arches.includes("amd64") || caps.some((name) => capabilities.includes(name));
}
