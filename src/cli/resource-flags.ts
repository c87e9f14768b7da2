/** The flags of `update`: those of runc. Knows nothing of what they mean; `resource-request.ts` does. */
import type { FlagSpec, Refusal } from "./flag-spec.ts";

const bytes = "BYTES[K|M|G]";
const noRealtime = "cgroup version 2 has no limit of them";
const noKernelMemory = "cgroup version 2 counts it with the rest";
const noHostProcessor: Refusal = {
  because: "the host's processor cannot be divided from inside a virtual machine",
  hint: "leave it out",
};

export const resourceFlags = [
  {
    name: "resources",
    short: "r",
    kind: "text",
    value: "FILE",
    help: "JSON in the form of linux.resources instead of flags; - reads it from input",
  },
  { name: "blkio-weight", kind: "text", value: "WEIGHT", help: "share of input and output, 10 to 1000" },
  { name: "cpu-period", kind: "text", value: "US", help: "period of the processor's quota in microseconds" },
  { name: "cpu-quota", kind: "text", value: "US", help: "processor time per period in microseconds; -1 for no limit" },
  { name: "cpu-burst", kind: "text", value: "US", help: "unused quota that may be saved up, in microseconds" },
  { name: "cpu-share", kind: "text", value: "SHARES", help: "share of the processor's time against other containers" },
  { name: "cpu-shares", kind: "text", value: "SHARES", help: "the same as --cpu-share" },
  { name: "cpu-idle", kind: "text", value: "0|1", help: "1: runs only when nothing else wants to" },
  { name: "cpu-rt-period", kind: "text", value: "US", help: "period of realtime processes", ignored: noRealtime },
  { name: "cpu-rt-runtime", kind: "text", value: "US", help: "time of realtime processes", ignored: noRealtime },
  { name: "cpuset-cpus", kind: "text", value: "LIST", help: "processors of the virtual machine to run on, as 0-2,7" },
  { name: "cpuset-mems", kind: "text", value: "LIST", help: "memory nodes of the virtual machine to use" },
  { name: "memory", kind: "text", value: bytes, help: "limit of memory; -1 for none" },
  { name: "memory-reservation", kind: "text", value: bytes, help: "memory that is not reclaimed while there is other" },
  { name: "memory-swap", kind: "text", value: bytes, help: "limit of memory and swap together; -1 for none" },
  { name: "kernel-memory", kind: "text", value: bytes, help: "memory of the kernel", ignored: noKernelMemory },
  { name: "kernel-memory-tcp", kind: "text", value: bytes, help: "buffers of TCP", ignored: noKernelMemory },
  { name: "pids-limit", kind: "text", value: "N", help: "limit of processes; -1 for none" },
  { name: "l3-cache-schema", kind: "text", value: "SCHEMA", help: "parts of the cache", refused: noHostProcessor },
  { name: "mem-bw-schema", kind: "text", value: "SCHEMA", help: "memory bandwidth", refused: noHostProcessor },
] as const satisfies readonly FlagSpec[];
