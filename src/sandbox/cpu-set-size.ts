/** Parses a cpuset such as `0-3,7`. Pure. */

/** The largest number of CPUs that Linux supports. */
const mostCpus = 8192;

/** The number of distinct CPUs; 0 for an empty set, `undefined` if the text is not a cpuset. */
export function sizeOfCpuSet(text: string): number | undefined {
  return cpusOfSet(text)?.length;
}

/** Distinct CPUs in ascending order; `undefined` if the text is not a cpuset. */
export function cpusOfSet(text: string): number[] | undefined {
  if (text.trim() === "") return [];
  const cpus = new Set<number>();
  for (const word of text.split(",")) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(word);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first || last >= mostCpus) return undefined;
    for (let cpu = first; cpu <= last; cpu++) cpus.add(cpu);
  }
  return [...cpus].sort((a, b) => a - b);
}
