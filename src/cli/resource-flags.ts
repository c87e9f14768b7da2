/** The flags of `update`, the same as runc's. `resource-request.ts` interprets them. */
import type { FlagSpec, Refusal } from "./flag-spec.ts";

const bytes = "BYTES[K|M|G]";
const noRealtime = "cgroup version 2 has no such limit";
const noKernelMemory = "cgroup version 2 counts kernel memory in --memory";
const noHostProcessor: Refusal = {
  because: "a VM cannot partition the host's processor",
  hint: "leave it out",
};

export const resourceFlags = [
  {
    name: "resources",
    short: "r",
    kind: "text",
    value: "FILE",
    help: "read the limits from FILE as JSON (linux.resources); - for standard input",
  },
  { name: "blkio-weight", kind: "text", value: "WEIGHT", help: "block I/O weight, 10 to 1000" },
  { name: "cpu-period", kind: "text", value: "US", help: "CPU quota period in microseconds" },
  { name: "cpu-quota", kind: "text", value: "US", help: "CPU time per period in microseconds; -1 for no limit" },
  { name: "cpu-burst", kind: "text", value: "US", help: "unused quota that may be accumulated, in microseconds" },
  { name: "cpu-share", kind: "text", value: "SHARES", help: "CPU weight relative to other containers" },
  { name: "cpu-shares", kind: "text", value: "SHARES", help: "the same as --cpu-share" },
  { name: "cpu-idle", kind: "text", value: "0|1", help: "1: run only when the CPU is otherwise idle" },
  { name: "cpu-rt-period", kind: "text", value: "US", help: "period of the realtime limit", ignored: noRealtime },
  {
    name: "cpu-rt-runtime",
    kind: "text",
    value: "US",
    help: "CPU time of realtime processes per period",
    ignored: noRealtime,
  },
  { name: "cpuset-cpus", kind: "text", value: "LIST", help: "CPUs of the VM to run on, e.g. 0-2,7" },
  { name: "cpuset-mems", kind: "text", value: "LIST", help: "memory nodes of the VM to use" },
  { name: "memory", kind: "text", value: bytes, help: "memory limit; -1 for none" },
  { name: "memory-reservation", kind: "text", value: bytes, help: "soft memory limit (memory.low)" },
  { name: "memory-swap", kind: "text", value: bytes, help: "limit of memory plus swap; -1 for none" },
  { name: "kernel-memory", kind: "text", value: bytes, help: "kernel memory limit", ignored: noKernelMemory },
  { name: "kernel-memory-tcp", kind: "text", value: bytes, help: "TCP buffer memory limit", ignored: noKernelMemory },
  { name: "pids-limit", kind: "text", value: "N", help: "maximum number of processes; -1 for none" },
  { name: "l3-cache-schema", kind: "text", value: "SCHEMA", help: "L3 cache partition", refused: noHostProcessor },
  { name: "mem-bw-schema", kind: "text", value: "SCHEMA", help: "memory bandwidth limit", refused: noHostProcessor },
] as const satisfies readonly FlagSpec[];
