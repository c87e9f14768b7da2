/** Copies the pages of this process that are still shared copy-on-write, before the process writes to them. */
import * as native from "kumite:native";
import { check } from "./check.ts";
import { readFileText } from "./whole-file.ts";

export interface MemoryRange {
  readonly address: number;
  readonly length: number;
}

const ENOMEM = -12;
/** Since Linux 5.14. Has the effect of writing to each page. */
const MADV_POPULATE_WRITE = 23;

/**
 * Makes all writable pages, including the heap, the process's own. For the agent of a template: pages that it copies
 * now need not be copied in any clone.
 * @throws SystemError
 */
export function takeOwnPages(): void {
  for (const { address, length } of writableRanges(readFileText("/proc/self/maps"))) {
    const result = native.madvise(address, length, MADV_POPULATE_WRITE);
    // Reading the list has allocated and freed memory, so a mapping may be gone by now.
    if (result !== ENOMEM) check(result, "madvise");
  }
}

/** Parses /proc/PID/maps, where a line is `from-to perms …` in hexadecimal. Exported for tests. */
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
