/** The columns of ps(1): their names and how each shows a process. Pure. */
import type { MachineFacts, ProcessFacts } from "./facts.ts";

export interface Column {
  readonly title: string;
  /** Numbers are aligned right. */
  readonly align: "left" | "right";
  readonly show: (process: ProcessFacts, machine: MachineFacts) => string;
}

const left = (title: string, show: Column["show"]): Column => ({ title, align: "left", show });
const right = (title: string, show: Column["show"]): Column => ({ title, align: "right", show });

/** By the names that `-o` takes. */
export const columns: ReadonlyMap<string, Column> = new Map<string, Column>([
  ...named(
    ["pid", "tgid"],
    right("PID", ({ pid }) => `${pid}`),
  ),
  ...named(
    ["ppid"],
    right("PPID", ({ parentPid }) => `${parentPid}`),
  ),
  ...named(
    ["pgid", "pgrp"],
    right("PGID", ({ group }) => `${group}`),
  ),
  ...named(
    ["sid", "sess", "session"],
    right("SID", ({ session }) => `${session}`),
  ),
  ...named(
    ["user", "euser", "uname"],
    left("USER", ({ uid }) => userName(uid)),
  ),
  ...named(
    ["ruser"],
    left("RUSER", ({ realUid }) => userName(realUid)),
  ),
  ...named(
    ["uid", "euid"],
    right("UID", ({ uid }) => `${uid}`),
  ),
  ...named(
    ["ruid"],
    right("RUID", ({ realUid }) => `${realUid}`),
  ),
  ...named(
    ["gid", "egid"],
    right("GID", ({ gid }) => `${gid}`),
  ),
  ...named(
    ["c"],
    right("C", (process, machine) => `${Math.floor(cpuPercent(process, machine))}`),
  ),
  ...named(
    ["pcpu", "%cpu"],
    right("%CPU", (process, machine) => cpuPercent(process, machine).toFixed(1)),
  ),
  ...named(
    ["pmem", "%mem"],
    right("%MEM", (process, machine) => memoryPercent(process, machine).toFixed(1)),
  ),
  ...named(
    ["vsz", "vsize"],
    right("VSZ", ({ virtualKib }) => `${virtualKib}`),
  ),
  ...named(
    ["rss", "rssize", "rsz"],
    right("RSS", ({ residentKib }) => `${residentKib}`),
  ),
  ...named(
    ["ni", "nice"],
    right("NI", ({ nice }) => `${nice}`),
  ),
  ...named(
    ["pri"],
    right("PRI", ({ priority }) => `${39 - priority}`),
  ),
  ...named(
    ["nlwp", "thcount"],
    right("NLWP", ({ threads }) => `${threads}`),
  ),
  ...named(
    ["tty", "tt", "tname"],
    left("TTY", ({ terminal }) => terminalName(terminal)),
  ),
  ...named(["stat"], left("STAT", stateWord)),
  ...named(
    ["s", "state"],
    left("S", ({ state }) => state),
  ),
  ...named(["stime", "start_time"], left("STIME", startTime)),
  ...named(["start", "bsdstart"], left("START", startTime)),
  ...named(
    ["etime"],
    right("ELAPSED", (process, machine) => duration(elapsed(process, machine))),
  ),
  ...named(
    ["etimes"],
    right("ELAPSED", (process, machine) => `${Math.floor(elapsed(process, machine))}`),
  ),
  ...named(
    ["time", "cputime"],
    right("TIME", ({ cpuSeconds }) => longDuration(cpuSeconds)),
  ),
  ...named(
    ["bsdtime"],
    right("TIME", ({ cpuSeconds }) => minutes(cpuSeconds)),
  ),
  ...named(
    ["comm", "ucmd", "ucomm"],
    left("COMMAND", ({ name }) => printable(name)),
  ),
  ...named(["args", "command"], left("COMMAND", commandLine)),
  ...named(["cmd"], left("CMD", commandLine)),
]);

function named(names: readonly string[], column: Column): [string, Column][] {
  return names.map((name) => [name, column]);
}

/** The guest has no list of users, and the containers' own are not trusted. */
function userName(uid: number): string {
  return uid === 0 ? "root" : `${uid}`;
}

function elapsed({ startSeconds }: ProcessFacts, { uptimeSeconds }: MachineFacts): number {
  return Math.max(0, uptimeSeconds - startSeconds);
}

function cpuPercent(process: ProcessFacts, machine: MachineFacts): number {
  const seconds = elapsed(process, machine);
  return seconds > 0 ? Math.min(999, (process.cpuSeconds * 100) / seconds) : 0;
}

function memoryPercent({ residentKib }: ProcessFacts, { memoryKib }: MachineFacts): number {
  return memoryKib > 0 ? (residentKib * 100) / memoryKib : 0;
}

function stateWord(process: ProcessFacts): string {
  const { state, nice, lockedMemory, session, pid, threads, foreground } = process;
  const marks = [
    nice < 0 ? "<" : nice > 0 ? "N" : "",
    lockedMemory ? "L" : "",
    session === pid ? "s" : "",
    threads > 1 ? "l" : "",
    foreground ? "+" : "",
  ];
  return state + marks.join("");
}

/** The number contains 12 bits of major, and 20 bits of minor in two pieces. */
function terminalName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  if (device === 0) return "?";
  if (major >= 136 && major <= 143) return `pts/${(major - 136) * 256 + minor}`;
  if (major === 229) return `hvc${minor}`;
  if (major === 4) return minor < 64 ? `tty${minor}` : `ttyS${minor - 64}`;
  return major === 5 && minor === 1 ? "console" : `${major}:${minor}`;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Time of day for a process started less than a day ago, else the date; in UTC, the guest's time zone. */
function startTime(process: ProcessFacts, machine: MachineFacts): string {
  const start = new Date(machine.nowMs - elapsed(process, machine) * 1000);
  if (machine.nowMs - start.getTime() < 24 * 3600_000) {
    return `${two(start.getUTCHours())}:${two(start.getUTCMinutes())}`;
  }
  return `${months[start.getUTCMonth()]}${two(start.getUTCDate())}`;
}

/** `[[D-]HH:]MM:SS` */
function duration(seconds: number): string {
  return seconds < 3600 ? clock(seconds, 2) : longDuration(seconds);
}

/** `[D-]HH:MM:SS` */
function longDuration(seconds: number): string {
  const days = Math.floor(seconds / 86_400);
  return `${days === 0 ? "" : `${days}-`}${clock(seconds % 86_400, 3)}`;
}

/** `M:SS` */
function minutes(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${two(Math.floor(seconds % 60))}`;
}

function clock(seconds: number, parts: 2 | 3): string {
  const whole = Math.floor(seconds);
  const numbers = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return numbers
    .slice(3 - parts)
    .map(two)
    .join(":");
}

function two(number: number): string {
  return `${number}`.padStart(2, "0");
}

function commandLine({ args, name, state }: ProcessFacts): string {
  if (args.length > 0) return printable(args.join(" "));
  return state === "Z" ? `[${printable(name)}] <defunct>` : `[${printable(name)}]`;
}

/** A process can set its name to anything, including control sequences of a terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}
