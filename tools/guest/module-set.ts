/**
 * The modules of an image with everything that they need, in an order that can be loaded. Uses the modules' own data,
 * so neither depmod nor an installed kernel is needed.
 */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { softDependencies } from "../../guest-image/modules.ts";
import { type ModuleIndex, moduleIndexPath } from "../../src/guest/modules/index-format.ts";
import { compressionOf, decompress } from "./decompress.ts";
import { type ModuleInfo, moduleInfoOf, moduleName } from "./kernel-module.ts";

export interface SelectedModule {
  readonly info: ModuleInfo;
  readonly content: Uint8Array;
}

/** Path of a module in the image. */
function modulePath(name: string): string {
  return `${moduleIndexPath.slice(0, moduleIndexPath.lastIndexOf("/"))}/${name}.ko`;
}

/**
 * Reads the wanted modules and everything that they need; each comes after what it needs. A wanted module that is built
 * in (`modules.builtin`) is left out; it is an error if the kernel has it in no form.
 */
export async function selectModules(
  directory: string,
  wanted: readonly string[],
  builtIn: ReadonlySet<string>,
): Promise<SelectedModule[]> {
  const files = await moduleFiles(directory);
  const selected = new Map<string, SelectedModule>();
  const underWay: string[] = [];

  const add = async (name: string): Promise<void> => {
    if (selected.has(name) || builtIn.has(name)) return;
    if (underWay.includes(name)) throw new Error(`kernel modules need each other: ${[...underWay, name].join(" → ")}`);
    const path = files.get(name);
    if (path === undefined) {
      const by = underWay.at(-1);
      throw new Error(`the kernel package has no module ${name}${by === undefined ? "" : `, which ${by} needs`}`);
    }
    const content = await readModule(path);
    const info = moduleInfoOf(content, path);
    underWay.push(name);
    for (const need of needsOf(info)) await add(need);
    underWay.pop();
    selected.set(name, { info, content });
  };

  for (const name of wanted) await add(name);
  return [...selected.values()];
}

/** The index that the agent reads. */
export function indexOf(modules: readonly SelectedModule[], early: readonly string[], release: string): ModuleIndex {
  const position = new Map(modules.map(({ info }, i) => [info.name, i]));
  const closures = new Map<string, Set<string>>();
  for (const { info } of modules) {
    const direct = needsOf(info).filter((need) => position.has(need));
    closures.set(info.name, new Set(direct.flatMap((need) => [...(closures.get(need) ?? []), need])));
  }
  const inOrder = (names: Iterable<string>): string[] =>
    [...new Set(names)].sort((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0));
  const earlyPresent = early.filter((name) => position.has(name));
  return {
    version: 1,
    release,
    early: inOrder(earlyPresent.flatMap((name) => [...(closures.get(name) ?? []), name])),
    modules: Object.fromEntries(
      modules.map(({ info }) => [
        info.name,
        { file: modulePath(info.name), needs: inOrder(closures.get(info.name) ?? []) },
      ]),
    ),
  };
}

/** Names of built-in modules, from the package's `modules.builtin`. */
export async function builtInModules(directory: string): Promise<ReadonlySet<string>> {
  const text = await readFile(join(directory, "..", "modules.builtin"), "utf8");
  return new Set(
    text
      .split("\n")
      .filter((line) => line !== "")
      .map(nameOfFile),
  );
}

async function readModule(path: string): Promise<Uint8Array> {
  const bytes = await readFile(path);
  const compression = compressionOf(bytes);
  return compression === undefined ? bytes : decompress(bytes, compression, path);
}

function needsOf(info: ModuleInfo): string[] {
  const soft = info.wantsBefore.map((wanted) => softDependencies[wanted] ?? moduleName(wanted));
  return [...soft, ...info.depends];
}

async function moduleFiles(directory: string): Promise<Map<string, string>> {
  const names = await readdir(directory, { recursive: true });
  return new Map(names.filter(isModule).map((name) => [nameOfFile(name), join(directory, name)]));
}

function isModule(path: string): boolean {
  return /\.ko(\.\w+)?$/.test(path);
}

function nameOfFile(path: string): string {
  return moduleName(basename(path).replace(/\.ko(\.\w+)?$/, ""));
}
