/** The pages of this process that it may write to: whether they are its own already, or are copied when it first does. */
import * as native from "kumite:native";
import { check } from "./check.ts";
import { readFileText } from "./whole-file.ts";

export interface MemoryRange {
  readonly address: number;
  readonly length: number;
}

const ENOMEM = -12;
/** Linux 5.14: as a write to each page would. */
const MADV_POPULATE_WRITE = 23;

/**
 * Makes all of them its own, its whole heap among them. For a process whose memory others will go on from: what it copies
 * now none of them has to.
 * @throws SystemError
 */
export function takeOwnPages(): void {
  for (const { address, length } of writableRanges(readFileText("/proc/self/maps"))) {
    const result = native.madvise(address, length, MADV_POPULATE_WRITE);
    // Making the list has taken memory and given some back: a mapping may be gone.
    if (result !== ENOMEM) check(result, "madvise");
  }
}

/** Of the text of a /proc/PID/maps: a line is `from-to perms …`, in hexadecimal. Exported for tests. */
export function writableRanges(maps: string): MemoryRange[] {
  const ranges: MemoryRange[] = [];
  for (const line of maps.split("\n")) {
    const [range = "", permissions] = line.split(" ");
    if (permissions !== "rw-p") continue;
    const [from = Number.NaN, to = Number.NaN] = range.split("-").map((digits) => Number.parseInt(digits, 16));
    ranges.push({ address: from, length: to - from });
  }
  return ranges;
}
