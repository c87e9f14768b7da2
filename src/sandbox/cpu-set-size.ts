/** How many processors a cpuset such as `0-3,7` names. Pure. */

/** The most that Linux numbers. */
const mostCpus = 8192;

/** Each processor once; 0 for an empty set, `undefined` for what is no set. */
export function sizeOfCpuSet(text: string): number | undefined {
  if (text.trim() === "") return 0;
  const ranges: { first: number; last: number }[] = [];
  for (const word of text.split(",")) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(word);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first || last >= mostCpus) return undefined;
    ranges.push({ first, last });
  }
  ranges.sort((a, b) => a.first - b.first);
  let size = 0;
  let next = 0;
  for (const { first, last } of ranges) {
    size += Math.max(0, last - Math.max(first, next) + 1);
    next = Math.max(next, last + 1);
  }
  return size;
}
