/**
 * What an idle sandbox uses, on the host and in the VM: processes, descriptors, memory. For tests and benchmarks that
 * repeat something very often and check whether it grows.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Patch } from "./bundle.ts";
import { eventually } from "./eventually.ts";
import { sandboxProcesses } from "./sandbox.ts";
import type { Workplace } from "./workplace.ts";

/** By name, e.g. `shim descriptors` or `agent KiB`. Memory is in KiB and may vary a little; the others may not. */
export type Footprint = Readonly<Record<string, number>>;

/** Lets a container see the agent: it shares the agent's pid namespace and may read its descriptors. */
export const seesTheAgent: Patch = ({ linux, process }) => {
  linux.namespaces = linux.namespaces.filter(({ type }) => type !== "pid");
  for (const set of Object.values(process.capabilities ?? {})) set.push("CAP_SYS_PTRACE");
};

/**
 * Of a container that `seesTheAgent`, after everything that is ending is gone. Includes the exec process that measures.
 */
export async function footprint(place: Workplace, id: string): Promise<Footprint> {
  const inGuest = await eventually("a guest without zombies", async () => {
    const look = await guestFootprint(place, id);
    return look["guest zombies"] === 0 ? look : undefined;
  });
  let last = "";
  const onHost = await eventually("a host at rest", () => {
    const look = hostFootprint(id);
    const counts = JSON.stringify(Object.entries(look).filter(([name]) => !name.endsWith("KiB")));
    const isAtRest = counts === last && look["relay processes"] === 1;
    last = counts;
    return isAtRest ? look : undefined;
  });
  return { ...inGuest, ...onHost };
}

async function guestFootprint(place: Workplace, id: string): Promise<Footprint> {
  const { stdout } = await place.must(["exec", id, "sh", "-c", lookInGuest]);
  const rows = [...stdout.matchAll(/^(.+) (\d+)$/gm)];
  const found = Object.fromEntries(rows.map(([, name = "", value]) => [name, Number(value)]));
  // A measurement that was denied would never show growth.
  if (!(found["agent descriptors"] && found["agent KiB"] && found["guest cgroups"])) throw new Error(stdout);
  return found;
}

/**
 * First waits for the end of its input, whose descriptor the agent has closed then. Threads of the kernel have no
 * program, and come and go by themselves.
 */
const lookInGuest = `
cat
count=0
for process in /proc/[0-9]*; do
  if [ -e "$process/exe" ]; then count=$((count + 1)); fi
done
echo "guest processes $count"
echo "guest zombies $(cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ')"
echo "agent descriptors $(ls /proc/1/fd | wc -l)"
echo "agent KiB $(sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/1/status)"
echo "guest cgroups $(sed -n 's/^pids[^0-9]*[0-9]*[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/cgroups)"
`;

/** Without QEMU's memory: the guest's part fills with caches, and under emulation there is translated code. */
function hostFootprint(id: string): Footprint {
  const found: Record<string, number> = {};
  for (const [role, pids] of sandboxProcesses(id)) {
    found[`${role} processes`] = pids.length;
    found[`${role} descriptors`] = sum(pids, (pid) => readdirSync(`/proc/${pid}/fd`).length);
    if (role !== "qemu" && role !== "virtiofsd") found[`${role} KiB`] = sum(pids, residentKiB);
  }
  return found;
}

function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

function sum(pids: readonly number[], of: (pid: number) => number): number {
  return pids.reduce((total, pid) => total + of(pid), 0);
}

/** What has grown: counts by any amount, memory by more than is tolerated. Returns lines for a message. */
export function growth(before: Footprint, after: Footprint, tolerated: (name: string) => number): string[] {
  return Object.entries(after)
    .filter(([name, value]) => value > (before[name] ?? 0) + (name.endsWith("KiB") ? tolerated(name) : 0))
    .map(([name, value]) => `${name}: ${before[name] ?? 0} to ${value}`);
}
