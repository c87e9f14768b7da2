/** Reads what ps(1) shows of a process from /proc, and the facts about the VM that it needs for that. */
import { closeQuietly, open, read as readBytes } from "../../sys/linux/file.ts";
import { O_CLOEXEC, O_RDONLY } from "../../sys/linux/open-flags.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";
import { decodeUtf8 } from "../../util/text.ts";

/** The kernel's unit of CPU and start times; the same on every architecture. */
const ticksPerSecond = 100;
const kibPerPage = 4;
/** Each of thousands of processes may have megabytes of arguments, but an answer has a size limit. */
const maxArgumentBytes = 4096;
const maxAllArgumentBytes = 1024 * 1024;

export interface ProcessFacts {
  readonly pid: number;
  readonly parentPid: number;
  readonly group: number;
  readonly session: number;
  readonly uid: number;
  readonly realUid: number;
  readonly gid: number;
  readonly name: string;
  /** Empty for a zombie. */
  readonly args: readonly string[];
  /** One letter. */
  readonly state: string;
  readonly nice: number;
  readonly priority: number;
  readonly threads: number;
  readonly lockedMemory: boolean;
  /** Device number of the terminal; 0 for none. */
  readonly terminal: number;
  readonly foreground: boolean;
  readonly cpuSeconds: number;
  /** Since boot. */
  readonly startSeconds: number;
  readonly virtualKib: number;
  readonly residentKib: number;
}

export interface MachineFacts {
  /** Milliseconds since 1970. */
  readonly nowMs: number;
  readonly uptimeSeconds: number;
  readonly memoryKib: number;
}

/** Leaves out processes that have ended meanwhile. */
export function readAllFacts(pids: readonly number[]): ProcessFacts[] {
  const argumentBytes = Math.min(maxArgumentBytes, Math.ceil(maxAllArgumentBytes / Math.max(1, pids.length)));
  return pids.flatMap((pid) => readFacts(pid, argumentBytes) ?? []);
}

function readFacts(pid: number, argumentBytes: number): ProcessFacts | undefined {
  const stat = read(pid, "stat");
  const status = read(pid, "status");
  const args = readArguments(pid, argumentBytes);
  if (stat === undefined || status === undefined || args === undefined) return undefined;
  return parseFacts(pid, stat, status, args);
}

export function readMachineFacts(): MachineFacts {
  const total = /^MemTotal:\s+(\d+) kB$/m.exec(readFileText("/proc/meminfo"))?.[1];
  return {
    nowMs: Date.now(),
    uptimeSeconds: Number(readFileText("/proc/uptime").split(" ")[0]),
    memoryKib: Number(total ?? 0),
  };
}

/** Parses `stat` and `status` of proc(5). */
function parseFacts(pid: number, stat: string, status: string, args: readonly string[]): ProcessFacts {
  // The name itself may contain spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  /** Takes the field number of proc(5). */
  const at = (number: number): number => Number(fields[number - 3] ?? 0);
  const numbers = (of: RegExp): number[] => (of.exec(status)?.[1] ?? "").split(/\s+/).map(Number);
  const [realUid = 0, uid = 0] = numbers(/^Uid:\s+(.+)$/m);
  const [, gid = 0] = numbers(/^Gid:\s+(.+)$/m);
  const [lockedKib = 0] = numbers(/^VmLck:\s+(.+)$/m);
  return {
    pid,
    parentPid: at(4),
    group: at(5),
    session: at(6),
    uid,
    realUid,
    gid,
    name: stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")),
    args,
    state: fields[0] ?? "?",
    nice: at(19),
    priority: at(18),
    threads: at(20),
    lockedMemory: lockedKib > 0,
    terminal: at(7),
    foreground: at(7) !== 0 && at(8) === at(5),
    cpuSeconds: (at(14) + at(15)) / ticksPerSecond,
    startSeconds: at(22) / ticksPerSecond,
    virtualKib: Math.floor(at(23) / 1024),
    residentKib: at(24) * kibPerPage,
  };
}

function read(pid: number, name: string): string | undefined {
  try {
    return readFileText(`/proc/${pid}/${name}`);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** Reads at most `limit` bytes of arguments. */
function readArguments(pid: number, limit: number): string[] | undefined {
  try {
    const fd = open(`/proc/${pid}/cmdline`, O_RDONLY | O_CLOEXEC);
    try {
      const buffer = new Uint8Array(limit);
      const text = decodeUtf8(buffer.subarray(0, readBytes(fd, buffer))).replace(/\0$/, "");
      return text === "" ? [] : text.split("\0");
    } finally {
      closeQuietly(fd);
    }
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}
