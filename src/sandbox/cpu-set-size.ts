/** Which processors a cpuset such as `0-3,7` names. Pure. */

/** The most that Linux numbers. */
const mostCpus = 8192;

/** How many: each processor once; 0 for an empty set, `undefined` for what is no set. */
export function sizeOfCpuSet(text: string): number | undefined {
  return cpusOfSet(text)?.length;
}

/** In their order, each once. `undefined` for what is no set. */
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
