/** CPU time and memory of a process, from /proc. */
import { readFileSync } from "node:fs";

/** The kernel's USER_HZ is 100 on every Linux that runs Node. */
const ticksPerSecond = 100;

/** User and system time of all threads, including ended ones, in seconds; steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** Resident memory in MiB. */
export function residentMiB(pid: number): number {
  return residentMiBIn(readFileSync(`/proc/${pid}/status`, "utf8"));
}

/** From the text of a /proc/PID/status. */
export function residentMiBIn(status: string): number {
  return kibibytes(status, "VmRSS") / 1024;
}

/** Memory that only this process has and has written, in MiB: what another such process costs. */
export function privateDirtyMiB(pid: number): number {
  return kibibytes(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Private_Dirty") / 1024;
}

/** Proportional set size in MiB: each page counts in equal parts for the processes that share it. */
export function proportionalMiB(pid: number): number {
  return kibibytes(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"), "Pss") / 1024;
}

/** Memory in mappings with this name that only this process has, in MiB. */
export function privateMiBOf(pid: number, name: string): number {
  // Each mapping is a line with its name, followed by lines with its figures.
  const mappings = readFileSync(`/proc/${pid}/smaps`, "utf8").split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const own = mappings.filter((mapping) => mapping.split("\n", 1)[0]?.includes(name));
  const fields = ["Private_Dirty", "Private_Clean"];
  return own.reduce((sum, text) => sum + fields.reduce((all, field) => all + kibibytes(text, field), 0), 0) / 1024;
}

function kibibytes(text: string, field: string): number {
  const value = new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1];
  if (value === undefined) throw new Error(`no ${field} in ${text.slice(0, 200)}`);
  return Number(value);
}
