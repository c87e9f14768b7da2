/**
 * Combinations of settings in which every two values of different settings occur together at least once: most faults of
 * a combination come from two of its parts, and all combinations would be millions. The result is always the same.
 */

export type Settings = Readonly<Record<string, readonly string[]>>;
export type Combination = Readonly<Record<string, string>>;

/** Pairs that `allowed` refuses in every combination do not appear. */
export function allPairs(settings: Settings, allowed: (combination: Combination) => boolean): Combination[] {
  const names = Object.keys(settings);
  const defaults = Object.fromEntries(names.map((name) => [name, settings[name]?.[0] ?? ""]));
  const open = new Map(pairsOf(settings).map((pair) => [keyOf(pair), pair]));
  const combinations: Combination[] = [];
  for (const pair of [...open.values()]) {
    if (!open.has(keyOf(pair))) continue;
    let combination: Combination = { ...defaults, ...pair };
    if (!allowed(combination)) continue;
    // Every other setting gets the value that forms the most new pairs.
    for (const name of names.filter((other) => !(other in pair))) {
      const choices = (settings[name] ?? []).map((value) => ({ ...combination, [name]: value })).filter(allowed);
      combination = choices.reduce(
        (best, choice) => (fresh(choice, open) > fresh(best, open) ? choice : best),
        combination,
      );
    }
    for (const key of keysIn(combination)) open.delete(key);
    combinations.push(combination);
  }
  return combinations;
}

function pairsOf(settings: Settings): Combination[] {
  const entries = Object.entries(settings);
  return entries.flatMap(([first, values], index) =>
    entries
      .slice(index + 1)
      .flatMap(([second, others]) =>
        values.flatMap((value) => others.map((other) => ({ [first]: value, [second]: other }))),
      ),
  );
}

function fresh(combination: Combination, open: ReadonlyMap<string, Combination>): number {
  return keysIn(combination).filter((key) => open.has(key)).length;
}

function keysIn(combination: Combination): string[] {
  const entries = Object.entries(combination);
  return entries.flatMap(([first, value], index) =>
    entries.slice(index + 1).map(([second, other]) => keyOf({ [first]: value, [second]: other })),
  );
}

function keyOf(pair: Combination): string {
  return Object.entries(pair)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join();
}
