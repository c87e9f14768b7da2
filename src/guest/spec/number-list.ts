/** Sets of numbers as the kernel writes them, `0-3,7`: CPUs and memory nodes. Pure. */

interface Range {
  readonly first: number;
  readonly last: number;
}

/** Splits `list` into what is in `present` and what is not, both as lists. `undefined` when `list` is malformed. */
export function splitByPresence(list: string, present: string): { kept: string; missing: string } | undefined {
  const asked = parse(list);
  const there = parse(present);
  if (asked === undefined || there === undefined) return undefined;
  const kept = asked.flatMap((range) => there.flatMap((other) => overlap(range, other)));
  const missing = there.reduce((left, other) => left.flatMap((range) => without(range, other)), asked);
  return { kept: format(kept), missing: format(missing) };
}

/** The numbers of a list, ascending. `undefined` when it is malformed, or contains a number above `most`. */
export function numbersOf(list: string, most: number): number[] | undefined {
  const ranges = parse(list);
  if (ranges === undefined || (ranges.at(-1)?.last ?? 0) > most) return undefined;
  return ranges.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
}

/** Returns ranges in ascending order that neither overlap nor touch. */
function parse(list: string): Range[] | undefined {
  const words = list.trim().split(",");
  const ranges: Range[] = [];
  for (const word of words) {
    const match = /^\s*(\d{1,5})(?:-(\d{1,5}))?\s*$/.exec(word);
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first) return undefined;
    ranges.push({ first, last });
  }
  ranges.sort((a, b) => a.first - b.first);
  const merged: Range[] = [];
  for (const range of ranges) {
    const before = merged.at(-1);
    if (before === undefined || range.first > before.last + 1) merged.push(range);
    else merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
  }
  return merged;
}

function overlap(a: Range, b: Range): Range[] {
  const first = Math.max(a.first, b.first);
  const last = Math.min(a.last, b.last);
  return first <= last ? [{ first, last }] : [];
}

function without(range: Range, hole: Range): Range[] {
  const below = { first: range.first, last: Math.min(range.last, hole.first - 1) };
  const above = { first: Math.max(range.first, hole.last + 1), last: range.last };
  return [below, above].filter(({ first, last }) => first <= last);
}

function format(ranges: readonly Range[]): string {
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}
