/**
 * Kubernetes emptyDir volumes, which the kubelet keeps in directories of the host. A volume in memory (medium Memory or
 * HugePages, a tmpfs or hugetlbfs on the host) becomes memory of the VM. Other emptyDirs move to the guest, too, if the
 * configuration says so.
 */
import type { Bundle } from "../oci/bundle.ts";
import type { MountEntry, Os } from "../sys/os.ts";
import { KumiteError } from "../util/errors.ts";
import { baseName } from "../util/path.ts";
import { sha256Hex } from "../util/sha256.ts";
import type { GuestStorage } from "./guest-storage.ts";

/**
 * The volume is made by the first container that mounts it. `undefined` for any other directory, and for an emptyDir
 * that stays on the host.
 * @param emptyDirs guest directory for emptyDirs that would otherwise be on a disk of the host
 */
export async function emptyDirectory(
  os: Os,
  bundle: Bundle,
  index: number,
  source: string,
  { emptyDirs }: { readonly emptyDirs?: string | undefined },
): Promise<GuestStorage | undefined> {
  if (!source.split("/").includes("kubernetes.io~empty-dir")) return undefined;
  const mounts = await os.mounts.table();
  const mount = mounts.findLast((entry) => entry.target === source);
  const name = `${sha256Hex(source).slice(0, 16)}-${baseName(source)}`;
  const mountPoint = `/run/kata-containers/sandbox/ephemeral/${name}`;
  const driver = "ephemeral";
  switch (mount?.type) {
    case "tmpfs": {
      const size = sizeOf(mounts, source);
      const options = ["mode=777", ...(size === undefined ? [] : [`size=${size}`])];
      return { driver, source: "tmpfs", fstype: "tmpfs", options, mountPoint };
    }
    case "hugetlbfs": {
      const options = ["mode=777", ...hugePagesOf(bundle, index, mount)];
      return { driver, source: "nodev", fstype: "hugetlbfs", options, mountPoint };
    }
    default:
      return emptyDirs === undefined ? undefined : localDirectory(`${emptyDirs}/${name}`);
  }
}

/** World-writable, like the kubelet's. */
function localDirectory(mountPoint: string): GuestStorage {
  return { driver: "local", source: "local", fstype: "local", options: ["mode=0777"], mountPoint };
}

/** As many huge pages as the container may use, because the guest reserves them. */
function hugePagesOf({ spec, configFile }: Bundle, index: number, { options }: MountEntry): string[] {
  const pageBytes = bytesIn(options.find((option) => option.startsWith("pagesize="))?.slice("pagesize=".length));
  const limits = spec.linux.resources?.hugepageLimits ?? [];
  const limit = limits.find(({ pageSize }) => pageBytes !== undefined && bytesIn(pageSize) === pageBytes)?.limit;
  if (pageBytes !== undefined && limit !== undefined) return [`pagesize=${pageBytes}`, `size=${limit}`];
  const key = `mounts[${index}]`;
  const what = `${configFile}: ${key}: a huge page volume needs a limit for its page size`;
  throw new KumiteError("oci/unsupported", what, {
    phase: "storage.plan",
    hint: "set linux.resources.hugepageLimits: the VM reserves that many huge pages",
    data: { file: configFile, key },
  });
}

/** Accepts `2M` (the kernel's notation) and `2MB` (the specification's). */
function bytesIn(text = ""): number | undefined {
  const match = /^(\d+)([KMG])B?$/.exec(text);
  const [, number, unit = ""] = match ?? [];
  return number === undefined ? undefined : Number(number) * 1024 ** (1 + "KMG".indexOf(unit));
}

function sizeOf(mounts: readonly MountEntry[], target: string): string | undefined {
  const entry = mounts.findLast((mount) => mount.target === target && mount.type === "tmpfs");
  return entry?.options.find((option) => option.startsWith("size="))?.slice("size=".length);
}
