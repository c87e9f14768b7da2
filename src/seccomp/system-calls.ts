/** Numbers of system calls by name, for each architecture whose programs the VM can run. Decoded on first use. */
import type { Architecture } from "./actions.ts";
import { notX32, x32, x86, x86_64 } from "./gen/system-calls.ts";

/** Marks the numbers of x32, which has the same audit architecture as x86_64. */
export const x32Bit = 0x4000_0000;

export type SystemCalls = ReadonlyMap<string, number>;

const decoded = new Map<Architecture, SystemCalls>();

/** A name that is missing is a call that the architecture, or the version of the kernel's headers, does not have. */
export function systemCalls(architecture: Architecture): SystemCalls {
  const present = decoded.get(architecture);
  if (present !== undefined) return present;
  const table = decode(architecture);
  decoded.set(architecture, table);
  return table;
}

function decode(architecture: Architecture): SystemCalls {
  switch (architecture) {
    case "x86_64":
      return fromRuns(x86_64, 0);
    case "x86":
      return fromRuns(x86, 0);
    case "x32": {
      const table = fromRuns(x86_64, x32Bit);
      for (const name of notX32.split(" ")) table.delete(name);
      for (const [name, number] of fromRuns(x32, x32Bit)) table.set(name, number);
      return table;
    }
  }
}

function fromRuns(runs: typeof x86_64, base: number): Map<string, number> {
  const table = new Map<string, number>();
  for (const [first, names] of runs) {
    let number = base + first;
    for (const name of names.split(" ")) table.set(name, number++);
  }
  return table;
}
