/** What the host must give: its kernel, the user, memory, and a place for the state of containers. */
import { socketDirectory } from "../../persist/paths.ts";
import type { Os } from "../../sys/os.ts";
import { isSystemError, messageOf } from "../../util/errors.ts";
import { type Finding, missing, note, ok } from "./finding.ts";

/** mount_setattr(2), with which binds get their attributes before they are seen. */
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
  if (uid === "0" && lacking.length === 0) return ok("root", "with the capabilities that are needed");
  const found = uid === "0" ? `lacks ${lacking.join(", ")}` : `is not what runs this: uid ${uid}`;
  return missing("root", found, "run it as root of the host, in a container with --privileged");
}

/** For mounts, namespaces, cgroups, and files of any owner. */
const neededCapabilities: readonly (readonly [bigint, string])[] = [
  [0n, "CAP_CHOWN"],
  [1n, "CAP_DAC_OVERRIDE"],
  [12n, "CAP_NET_ADMIN"],
  [21n, "CAP_SYS_ADMIN"],
];

/** `neededMiB`: what one machine is configured to have. */
export async function checkMemory(os: Os, neededMiB: number): Promise<Finding> {
  const text = await os.files.readText("/proc/meminfo");
  const freeMiB = Math.floor(Number(/^MemAvailable:\s*(\d+) kB$/m.exec(text)?.[1]) / 1024);
  const found = `${freeMiB} MiB are available, a machine has ${neededMiB} MiB`;
  if (freeMiB >= neededMiB) return ok("memory", found);
  return note("memory", `${found}, which it takes as it uses them`, "lower default_memory, or free some memory");
}

/** Directories are made when they are needed first, so what is tried is whether that works. */
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
