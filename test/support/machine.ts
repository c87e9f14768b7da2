/**
 * Lists each kind of thing that a runtime can leave on a host. Read-only, and restricted to what concerns the product,
 * since a host has a life of its own and a test must not fail because somebody logged in.
 */
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { testDirectoryPrefix } from "./test-directory.ts";

type Look = (directories: readonly string[]) => Map<string, string>;

/** In report order. A namespace that only a process or a mount holds is found through these. */
export const kinds = {
  process: processes,
  mount: mounts,
  cgroup: cgroups,
  "network namespace": networkNamespaces,
  "network interface": interfaces,
  "unix socket": unixSockets,
  file: files,
} satisfies Record<string, Look>;

/** Names of programs that belong to a sandbox or to the engine above it. */
const programs = /^(kumite|qemu-system|virtiofsd|conmon|runc|crun|dockerd|containerd|buildah)/;
/** Matches cgroups that a sandbox or an engine under test creates, and files in shared directories. */
const names = /kumite|kata|libpod|qemu|virtiofs|conmon/;
/** Created at the first use and kept: by the product, and by `ip netns`. */
const standing = new Set(["/run/kumite", "/run/kumite/s", "/run/kumite/kvm.json", "/run/netns"]);
/** Logs of failures, bounded by `persist/kept-logs.ts`; while one is being added it has another name. */
const keptLogs = /^\/run\/kumite\/\.kept(\/[0-9a-f]{16}(\/[^/]+)?)?$/;
/** Compiled at the first use by a test of this process, and removed when the process exits (`native.ts`). */
const ownHelpers = testDirectoryPrefix("helpers");

function processes(directories: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const pid of list("/proc").filter((name) => /^\d+$/.test(name))) {
    const stat = read(`/proc/${pid}/stat`);
    if (stat === undefined || Number(pid) === process.pid) continue;
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, parent] = fields;
    // An orphaned zombie waits for the host's init, and is not the product's left-over.
    if (state === "Z" && parent === "1") continue;
    const argv = (read(`/proc/${pid}/cmdline`) ?? "").split("\0");
    if (!concernsUs(pid, argv, stat, directories)) continue;
    found.set(`${pid} ${fields[19]}`, `${pid} (${state}) ${argv.join(" ").trim() || stat.split(" ")[1]}`);
  }
  return found;
}

function concernsUs(pid: string, argv: readonly string[], stat: string, directories: readonly string[]): boolean {
  const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
  if (programs.test(name) || programs.test(path.basename(argv[0] ?? ""))) return true;
  if (programs.test(path.basename(link(`/proc/${pid}/exe`) ?? ""))) return true;
  if (argv.some((word) => directories.some((directory) => word.includes(directory)))) return true;
  return names.test(read(`/proc/${pid}/cgroup`) ?? "");
}

function mounts(): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of (read("/proc/self/mountinfo") ?? "").split("\n").filter((text) => text !== "")) {
    const [id, , , root, target] = line.split(" ");
    const [type, source] = line.slice(line.indexOf(" - ") + 3).split(" ");
    if (target !== undefined && !standing.has(target))
      found.set(`${id} ${target}`, `${target} (${type} ${source} ${root})`);
  }
  return found;
}

function cgroups(): Map<string, string> {
  const found = new Map<string, string>();
  const hierarchies = [...mounts().values()].filter((mount) => / \(cgroup2? /.test(mount));
  for (const hierarchy of hierarchies.map((mount) => mount.slice(0, mount.indexOf(" (")))) {
    for (const directory of tree(hierarchy, "directories")) {
      // The cgroup for a VM's threads appears with its first limit, and is removed with the VM's cgroup.
      if (directory.endsWith("/vm/vcpu")) continue;
      if (names.test(path.relative(hierarchy, directory)) && directory !== path.join(hierarchy, "kumite")) {
        found.set(directory, directory);
      }
    }
  }
  return found;
}

function networkNamespaces(): Map<string, string> {
  return new Map(list("/run/netns").map((name) => [name, `/run/netns/${name}`]));
}

/** Those of this network namespace; /sys shows those of the namespace in which it was mounted. */
function interfaces(): Map<string, string> {
  const lines = (read("/proc/self/net/dev") ?? "").split("\n").slice(2);
  const found = lines.flatMap((line) => /^\s*(.+):/.exec(line)?.[1] ?? []);
  return new Map(found.map((name) => [name, name]));
}

function unixSockets(directories: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of (read("/proc/net/unix") ?? "").split("\n").slice(1)) {
    const [, , , , , , inode, name] = line.split(/\s+/);
    if (name === undefined) continue;
    if (names.test(name) || directories.some((directory) => name.startsWith(directory))) found.set(`${inode}`, name);
  }
  return found;
}

function files(directories: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  const add = (file: string): void => {
    if (!standing.has(file) && !keptLogs.test(file) && !file.startsWith(ownHelpers))
      found.set(`${file} ${inode(file)}`, file);
  };
  for (const directory of ["/run/kumite", ...directories]) for (const file of tree(directory, "all")) add(file);
  for (const place of ["/dev/shm", "/tmp", "/var/tmp", "/run", "/run/lock"]) {
    for (const name of list(place)) if (names.test(name)) add(path.join(place, name));
  }
  return found;
}

/** Everything below a directory, without following links. */
function tree(directory: string, what: "directories" | "all"): string[] {
  const found: string[] = [];
  const pending = [directory];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const entry of entries(next)) {
      const child = path.join(next, entry.name);
      if (entry.isDirectory()) pending.push(child);
      if (entry.isDirectory() || what === "all") found.push(child);
    }
  }
  return found;
}

// What disappears between two steps counts as absent: each of these returns "nothing" for it.

function entries(directory: string) {
  return quietly(() => readdirSync(directory, { withFileTypes: true })) ?? [];
}

function list(directory: string): string[] {
  return quietly(() => readdirSync(directory)) ?? [];
}

function read(file: string): string | undefined {
  return quietly(() => readFileSync(file, "utf8"));
}

function link(file: string): string | undefined {
  return quietly(() => readlinkSync(file));
}

function inode(file: string): number | undefined {
  return quietly(() => lstatSync(file))?.ino;
}

function quietly<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}
