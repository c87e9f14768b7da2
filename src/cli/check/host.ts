/** Checks what the host must provide: its kernel, the user, memory, and a directory for the state of containers. */
import { socketDirectory } from "../../persist/paths.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../../util/errors.ts";
import { type Finding, missing, note, ok } from "./finding.ts";

/** The first version with mount_setattr(2), which sets the attributes of bind mounts before they become visible. */
const oldestKernel = [5, 12] as const;

export async function checkKernel(os: Os): Promise<Finding> {
  const release = (await os.files.readText("/proc/sys/kernel/osrelease")).trim();
  const [major = 0, minor = 0] = release.split(".").map((part) => Number.parseInt(part, 10));
  const isNew = major > oldestKernel[0] || (major === oldestKernel[0] && minor >= oldestKernel[1]);
  if (isNew) return ok("Linux", release);
  return missing("Linux", `is ${release}, older than ${oldestKernel.join(".")}`, "run a newer kernel on the host");
}

export async function checkUser(os: Os): Promise<Finding> {
  const status = await os.files.readText("/proc/self/status");
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const uid = /^Uid:\s*\d+\s+(\d+)/m.exec(status)?.[1] ?? "unknown";
  const lacking = neededCapabilities.filter(([bit]) => (capabilities & (1n << bit)) === 0n).map(([, name]) => name);
  if (uid === "0" && lacking.length === 0) return ok("root", "with all needed capabilities");
  const found = uid === "0" ? `lacks ${lacking.join(", ")}` : `is required, but kumite runs as uid ${uid}`;
  return missing("root", found, asRoot);
}

const asRoot = "run kumite as root on the host, or in a container with --privileged";

/**
 * Needed for mounts, namespaces, cgroups, running QEMU as its own user, and files of any owner. virtiofsd does not
 * start without all capabilities that it might need.
 */
const neededCapabilities: readonly (readonly [bigint, string])[] = [
  [0n, "CAP_CHOWN"],
  [1n, "CAP_DAC_OVERRIDE"],
  [3n, "CAP_FOWNER"],
  [4n, "CAP_FSETID"],
  [6n, "CAP_SETGID"],
  [7n, "CAP_SETUID"],
  [8n, "CAP_SETPCAP"],
  [21n, "CAP_SYS_ADMIN"],
  [27n, "CAP_MKNOD"],
  [31n, "CAP_SETFCAP"],
];

/** Root of a user namespace has all capabilities, but cannot mount in a mount namespace that it does not own. */
export async function checkMounts(os: Os): Promise<Finding> {
  try {
    // The kernel copies the mount before it looks up the target. The target does not exist, so nothing is ever mounted.
    await os.mounts.mount({ source: "/", target: `/proc/${os.self.pid}/no-such-place`, flags: ["bind"] });
  } catch (error) {
    if (isSystemError(error, "ENOENT")) return ok("mounts", "can be created");
    if (!isSystemError(error)) throw error;
    return missing("mounts", `cannot be created: ${messageOf(error)}`, asRoot);
  }
  throw new KumiteError("internal", "a mount was made where nothing is");
}

/** `neededMiB`: the configured memory of one VM. */
export async function checkMemory(os: Os, neededMiB: number): Promise<Finding> {
  const text = await os.files.readText("/proc/meminfo");
  const freeMiB = Math.floor(Number(/^MemAvailable:\s*(\d+) kB$/m.exec(text)?.[1]) / 1024);
  const found = `${freeMiB} MiB are available, and a VM is configured with ${neededMiB} MiB`;
  if (freeMiB >= neededMiB) return ok("memory", found);
  return note(
    "memory",
    `${found}, which it takes from the host as the guest uses its memory`,
    "lower default_memory, or free some memory",
  );
}

/** The directories are created on first use, so this check tries to create them. */
export async function checkStateDirectory(os: Os, root: string): Promise<Finding> {
  try {
    for (const directory of [root, socketDirectory]) {
      await os.files.makeDirs(directory, 0o700);
      const probe = `${directory}/.check-${os.self.pid}`;
      await os.files.write(probe, "", { exclusive: true });
      await os.files.removeFile(probe);
    }
  } catch (error) {
    if (!isSystemError(error)) throw error;
    const remedy = `make ${root} and ${socketDirectory} writable, or give another directory with --root`;
    return missing("state directory", `cannot be used: ${messageOf(error)}`, remedy);
  }
  const status = await os.files.status(root);
  if (status !== undefined && (status.mode & 0o022) !== 0) {
    const found = `${root} can be written by others (mode ${status.mode.toString(8)})`;
    return missing("state directory", found, `chmod 0700 ${root}`);
  }
  return ok("state directory", root);
}
