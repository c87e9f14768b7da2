/**
 * A fragment of a kernel configuration: what it asks for, and whether a configuration satisfies it. The kernel's own
 * tools silently drop what they cannot set, so that a feature could be lost unnoticed.
 */

/** By name without `CONFIG_`; `n` means switched off. */
export type KernelOptions = ReadonlyMap<string, string>;

/** @throws Error with the line that is no option, or with an option that occurs twice */
export function parseFragment(text: string): KernelOptions {
  const options = new Map<string, string>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "" || line.startsWith("#")) continue;
    const [, name, value] = /^CONFIG_(\w+)=(y|n|\d+|".*")$/.exec(line) ?? [];
    const place = `line ${index + 1} of the kernel's fragment`;
    if (name === undefined || value === undefined) throw new Error(`${place} is not an option: ${line}`);
    if (options.has(name)) throw new Error(`${place} sets CONFIG_${name} a second time`);
    options.set(name, value);
  }
  return options;
}

/** A `.config` as the kernel's tools write it. */
export function parseConfig(text: string): KernelOptions {
  const set = [...text.matchAll(/^CONFIG_(\w+)=(.*)$/gm)];
  return new Map(set.map(([, name = "", value = ""]) => [name, value]));
}

/** One line for each option that has another value in the configuration. */
export function notTaken(wanted: KernelOptions, config: KernelOptions): string[] {
  return [...wanted].flatMap(([name, value]) => {
    const is = config.get(name) ?? "n";
    return is === value ? [] : [`CONFIG_${name} is ${is}, not ${value}`];
  });
}
