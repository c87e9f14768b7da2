/** Checks whether the programs and files that a VM needs are present and as they should be. */
import { type Config, hypervisorConfigOf } from "../../config/config.ts";
import { type Install, readInstall } from "../../shim-client/install.ts";
import type { Os } from "../../sys/os.ts";
import { isKumiteError, KumiteError, messageOf } from "../../util/errors.ts";
import { findTool } from "../../util/find-tool.ts";
import { type Finding, missing, note, ok } from "./finding.ts";
import { programOutput } from "./program-output.ts";

const oldestNode = [20, 11] as const;
/** The version Kumite is developed with. Older ones may work. */
const oldestQemu = [7, 2] as const;
const checksums = "/usr/bin/sha256sum";
const again = "run `npm run setup` in the source tree, or install Kumite again";

export async function checkQemu(os: Os, config: Config): Promise<Finding> {
  const { path } = hypervisorConfigOf(config);
  const install = "install the package qemu-system-x86, or set path in [hypervisor.qemu]";
  if ((await os.files.status(path))?.kind !== "file") return missing("QEMU", `there is no file ${path}`, install);
  const version = await versionOf(os, path, /version (\d+)\.(\d+)/);
  if (typeof version === "string") return missing("QEMU", `cannot be used: ${version}`, install);
  const found = `${version.join(".")} (${path})`;
  if (isOlder(version, oldestQemu)) {
    const hint = `install ${oldestQemu.join(".")} or newer: older versions are not tested`;
    return note("QEMU", `${found} is older than ${oldestQemu.join(".")}`, hint);
  }
  return ok("QEMU", found);
}

export async function checkVirtioFs(os: Os, config: Config): Promise<Finding> {
  const { virtioFsDaemons } = hypervisorConfigOf(config);
  const remedy = "install the package virtiofsd, on Debian 12 qemu-system-common";
  for (const path of virtioFsDaemons) {
    if ((await os.files.status(path))?.kind !== "file") continue;
    const version = await versionOf(os, path, /(\d+)\.(\d+)/);
    if (typeof version === "string") return missing("virtiofsd", `cannot be used: ${version}`, remedy);
    return ok("virtiofsd", path);
  }
  return missing("virtiofsd", `there is no file ${virtioFsDaemons.join(" or ")}`, remedy);
}

/** Kernel and initial file system or image. */
export async function checkGuest(os: Os, config: Config): Promise<Finding> {
  const { kernel, initrd, image } = hypervisorConfigOf(config);
  const files = [kernel, initrd ?? image].filter((path) => path !== undefined);
  for (const path of files) {
    if ((await os.files.status(path))?.kind !== "file") return missing("guest", `there is no file ${path}`, again);
  }
  return ok("guest", files.join(", "));
}

export async function checkNode(os: Os): Promise<Finding> {
  const install = await installOf(os);
  if (typeof install === "string") return missing("Node", `cannot be determined: ${install}`, again);
  const hint = `install Node ${oldestNode.join(".")} or newer at that path, or run \`npm run setup\` with another Node`;
  const version = await versionOf(os, install.node, /v(\d+)\.(\d+)/);
  if (typeof version === "string") return missing("Node", `cannot be used: ${version}`, hint);
  const found = `${version.join(".")} (${install.node})`;
  return isOlder(version, oldestNode) ? missing("Node", `${found} is too old`, hint) : ok("Node", found);
}

/** Host programs for making disks and root file systems, and the Debian packages that contain them. */
const tools = [
  ["blkid", "util-linux"],
  ["cp", "coreutils"],
  ["find", "findutils"],
  ["mkfs.erofs", "erofs-utils"],
  ["mkfs.ext4", "e2fsprogs"],
  ["mkswap", "util-linux"],
  ["taskset", "util-linux"],
] as const;

export async function checkImageTools(os: Os): Promise<Finding> {
  const found = await Promise.all(tools.map(([tool]) => findTool(os, tool)));
  const absent = tools.filter((_, index) => found[index] === undefined);
  if (absent.length === 0) return ok("tools", tools.map(([tool]) => tool).join(", "));
  const packages = [...new Set(absent.map(([, name]) => name))].join(", ");
  const names = absent.map(([tool]) => tool).join(", ");
  return note("tools", `${names} not found: needed for disks and images, not for directories`, `install ${packages}`);
}

/** Compares every installed file with its recorded hash. All other code compares only sizes. */
export async function checkInstall(os: Os): Promise<Finding> {
  const install = await installOf(os);
  if (typeof install === "string") return missing("installation", install, again);
  const { root, hashes, commit } = install;
  const names = [...hashes.keys()].sort();
  const present = await Promise.all(names.map((name) => os.files.status(`${root}/${name}`)));
  const absent = names.filter((_, index) => present[index]?.kind !== "file");
  if (absent.length > 0) return missing("installation", `lacks ${absent.join(", ")} in ${root}`, again);
  try {
    const lines = await programOutput(os, checksums, ["--", ...names.map((name) => `${root}/${name}`)]);
    const actual = new Map(lines.split("\n").map((line) => [line.slice(66 + root.length + 1), line.slice(0, 64)]));
    const changed = names.filter((name) => actual.get(name) !== hashes.get(name));
    if (changed.length > 0) {
      return missing("installation", `${changed.join(", ")} in ${root} differ from what was installed`, again);
    }
  } catch (error) {
    if (!(error instanceof KumiteError)) return missing("installation", messageOf(error), "install coreutils");
    return missing("installation", messageOf(error), again);
  }
  return ok("installation", `${names.length} files in ${root} match the build of commit ${commit}`);
}

async function installOf(os: Os): Promise<Install | string> {
  try {
    return await readInstall(os);
  } catch (error) {
    if (isKumiteError(error, "install/incomplete")) return error.message;
    throw error;
  }
}

/** Major and minor version, or the reason why they are unknown. */
async function versionOf(os: Os, path: string, form: RegExp): Promise<readonly [number, number] | string> {
  try {
    const text = await programOutput(os, path, ["--version"]);
    const [, major, minor] = form.exec(text) ?? [];
    if (major === undefined || minor === undefined) return `${path} --version printed no version number`;
    return [Number(major), Number(minor)];
  } catch (error) {
    return messageOf(error);
  }
}

function isOlder([major, minor]: readonly [number, number], [a, b]: readonly [number, number]): boolean {
  return major < a || (major === a && minor < b);
}
