/** Facts from the `.modinfo` section of a kernel module. */
import { sectionOf } from "./elf.ts";

export interface ModuleInfo {
  /** The kernel's name for it: underscores, no suffix. */
  readonly name: string;
  /** Modules whose symbols it uses. */
  readonly depends: readonly string[];
  /** What its `softdep` says must be loaded before it: module names or aliases. */
  readonly wantsBefore: readonly string[];
  /** `uname -r` of the kernel it was built for. */
  readonly release: string;
}

export function moduleInfoOf(module: Uint8Array, path: string): ModuleInfo {
  const section = sectionOf(module, ".modinfo", path);
  if (section === undefined) throw new Error(`${path} is not a kernel module: it has no .modinfo`);
  const facts = new TextDecoder()
    .decode(section)
    .split("\0")
    .map((fact) => [fact.slice(0, fact.indexOf("=")), fact.slice(fact.indexOf("=") + 1)] as const);
  const first = (key: string): string => facts.find(([name]) => name === key)?.[1] ?? "";
  const name = first("name");
  if (name === "") throw new Error(`${path} does not contain the name of its module`);
  return {
    name,
    depends: words(first("depends"), ",").map(moduleName),
    wantsBefore: facts.filter(([key]) => key === "softdep").flatMap(([, value]) => beforeOf(value)),
    release: first("vermagic").split(" ")[0] ?? "",
  };
}

/** File names and dependencies may have dashes where the kernel's names have underscores. */
export function moduleName(text: string): string {
  return text.replaceAll("-", "_");
}

/** `pre: a b post: c` gives a and b. */
function beforeOf(softdep: string): string[] {
  const before: string[] = [];
  let isBefore = false;
  for (const word of words(softdep, " ")) {
    if (word.endsWith(":")) isBefore = word === "pre:";
    else if (isBefore) before.push(word);
  }
  return before;
}

function words(text: string, separator: string): string[] {
  return text.split(separator).filter((word) => word !== "");
}
