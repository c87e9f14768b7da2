/** Traffic counters of the network interfaces that a process sees. */
import type { NetworkStats } from "../../protocol/gen/kata/control.ts";
import { readFileText } from "../../sys/linux/whole-file.ts";
import { isSystemError } from "../../util/errors.ts";

/** Empty when the process has ended. */
export function readNetworkStats(pid: number): NetworkStats[] {
  return read(`/proc/${pid}/net/dev`).split("\n").flatMap(parseInterface);
}

/** `eth0: 1 2 3 …`: eight counters of received, then eight of transmitted traffic. The first two lines are titles. */
function parseInterface(line: string): NetworkStats[] {
  const match = /^\s*([^\s:|]+):\s*(\d[\d\s]*)$/.exec(line);
  const [, name = "", numbers = ""] = match ?? [];
  const counters = numbers.trim().split(/\s+/);
  if (match === null || counters.length < 16) return [];
  const at = (index: number): bigint => BigInt(counters[index] ?? "0");
  return [
    {
      name,
      rxBytes: at(0),
      rxPackets: at(1),
      rxErrors: at(2),
      rxDropped: at(3),
      txBytes: at(8),
      txPackets: at(9),
      txErrors: at(10),
      txDropped: at(11),
    },
  ];
}

function read(file: string): string {
  try {
    return readFileText(file);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ESRCH", "EINVAL")) return "";
    throw error;
  }
}
