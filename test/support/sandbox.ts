/** The host processes of one sandbox, found from outside: all processes in a cgroup that names its id. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import path from "node:path";
import { eventually } from "./eventually.ts";

export const roles = ["shim", "relay", "qemu", "virtiofsd"] as const;
/** Under the process driver `agent` takes the place of a VM. */
export type Role = (typeof roles)[number] | "agent" | "helper";

/** Pids by role; a daemon that forks has several. */
export function sandboxProcesses(id: string): Map<Role, number[]> {
  const found = new Map<Role, number[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    const cgroups = read(`/proc/${pid}/cgroup`);
    if (!cgroups.includes(`/${id}/`) && !cgroups.includes(`/${id}\n`)) continue;
    const role = roleOf(read(`/proc/${pid}/cmdline`).split("\0"));
    if (role !== undefined) found.set(role, [...(found.get(role) ?? []), Number(pid)]);
  }
  return found;
}

/** The first process of that role, as soon as it exists. */
export function processOf(id: string, role: Role): Promise<number> {
  return eventually(`the ${role} of ${id}`, () => sandboxProcesses(id).get(role)?.[0]);
}

/**
 * Resolves when the verb has a socket besides its standard streams: it has found its container and sends a request to
 * the shim.
 */
export async function untilConnected(pid: number): Promise<void> {
  await eventually(`the connection of process ${pid}`, () => (hasSocket(pid) ? true : undefined));
}

function hasSocket(pid: number): boolean {
  try {
    const descriptors = readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2);
    return descriptors.some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:"));
  } catch {
    // A descriptor was closed meanwhile.
    return false;
  }
}

function roleOf([program = "", ...rest]: readonly string[]): Role | undefined {
  const name = path.basename(program);
  if (name === "kumite-shim" || rest.some((word) => word.endsWith("/shim.cjs"))) return "shim";
  if (name === "kumite-helper") return "helper";
  if (name === "kumite-relay") return "relay";
  if (name.startsWith("qemu-system")) return "qemu";
  if (name.startsWith("virtiofsd")) return "virtiofsd";
  if (name.startsWith("kumite-agent-") || rest.includes("--channel-fd")) return "agent";
  return undefined;
}

/** Empty if the file is gone. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The process has to exist. */
export function parentOf(pid: number): number {
  return Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** Pids of processes that were born within one clock tick are assigned in order. */
export async function isBornBefore(id: string, one: Role, other: Role): Promise<boolean> {
  const [pid, otherPid] = [await processOf(id, one), await processOf(id, other)];
  const apart = startTicksOf(otherPid) - startTicksOf(pid);
  return apart === 0 ? pid < otherPid : apart > 0;
}

function startTicksOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19]);
}
