/**
 * One module of an engine executable as JavaScript: what the entry imports, after the engine's globals. Code that is
 * only imported by `import()` becomes a part of its own, which the engine loads when that is reached.
 */
import { basename, resolve } from "node:path";
import { build, type Metafile } from "esbuild";
import { checkLeftOut, type LeftOut, type MessageUse, servedMessages } from "./served-messages.ts";

export interface EngineModule {
  /** The program name (basename of argv[0]) that selects the module. */
  readonly name: string;
  /** Path of the TypeScript entry. */
  readonly entry: string;
  /**
   * The program starts with a heap that was made when the executable was built: several times as fast, for some hundred
   * KB. For the executable's first module the heap contains the evaluated module, so its evaluation must not depend on
   * the process; otherwise it must not have such a heap. Other modules only get the language's objects from it, among
   * more than they need, so it is not meant for processes that live long.
   */
  readonly startsFromImage?: boolean;
  /** Its parts are packed. This is for parts that few processes need, since each use unpacks them. */
  readonly packsParts?: boolean;
  /** For a server: how it uses the protocol's messages. Default: in all ways. */
  readonly messages?: MessageUse;
}

const repository = resolve(import.meta.dirname, "../..");
const globals = resolve(repository, "src/sys/engine/prelude.ts");

/**
 * Defines what classes with these methods need when they are evaluated. Each part that has such a class begins with it,
 * because parts that several others import may be evaluated before the globals.
 */
const disposal =
  'for (const name of ["dispose", "asyncDispose"]) ' +
  'if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol("Symbol." + name) });\n';
const usesDisposal = /\bSymbol\.(?:asyncDispose|dispose)\b/;

export interface BundledPart {
  /** The module's name, or the file name by which another part imports this one. */
  readonly name: string;
  readonly text: Uint8Array;
  /** Name of the module to which the part belongs. */
  readonly module: string;
  /** Whether its bytecode is packed. */
  readonly isPacked: boolean;
  /**
   * Loaded together with the entry's part: the entry, or what it imports, imports this one other than by `import()`.
   */
  readonly withEntry: boolean;
}

/**
 * The entry's part comes first. `define` replaces global identifiers by expressions, like esbuild's option of that
 * name.
 */
export async function bundle(module: EngineModule, define: Readonly<Record<string, string>>): Promise<BundledPart[]> {
  const entry = resolve(module.entry);
  const leftOut: LeftOut = new Set();
  const result = await build({
    stdin: {
      contents: `import ${JSON.stringify(globals)};\nimport ${JSON.stringify(entry)};\n`,
      resolveDir: repository,
      sourcefile: `${module.name}.entry.ts`,
      loader: "ts",
    },
    absWorkingDir: repository,
    tsconfig: resolve(repository, "tsconfig.portable.json"),
    bundle: true,
    splitting: true,
    outdir: "out",
    entryNames: module.name,
    // The parts of all modules are in one table.
    chunkNames: `${module.name}-[name]-[hash]`,
    write: false,
    metafile: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "module", "default"],
    // The engine has ES2023; this lowers `using` and `await using`.
    target: "es2023",
    // White space costs nothing in bytecode, and names make stack traces readable.
    minifySyntax: true,
    keepNames: false,
    charset: "utf8",
    legalComments: "none",
    external: ["kumite:*"],
    define: { ...define },
    plugins: module.messages === undefined ? [] : [servedMessages(module.messages, leftOut)],
    logLevel: "silent",
  });
  checkLeftOut(
    result.outputFiles.map(({ text }) => text),
    leftOut,
  );
  const withEntry = importedBy(`out/${module.name}.js`, result.metafile.outputs);
  const parts = result.outputFiles.map(({ path, contents, text }) => {
    const name = basename(path);
    const isWithEntry = withEntry.has(`out/${name}`);
    const isPacked = module.packsParts === true && !isWithEntry;
    const whole = usesDisposal.test(text) ? Buffer.concat([Buffer.from(disposal), contents]) : contents;
    return { name, text: whole, module: module.name, withEntry: isWithEntry, isPacked };
  });
  const own = parts.find(({ name }) => name === `${module.name}.js`);
  if (own === undefined) throw new Error(`bundling ${module.name} gave nothing`);
  return [{ ...own, name: module.name }, ...parts.filter((part) => part !== own)];
}

/** The part itself, and the parts that are loaded with it. */
function importedBy(part: string, outputs: Metafile["outputs"], found = new Set<string>()): ReadonlySet<string> {
  if (found.has(part)) return found;
  found.add(part);
  for (const { path, kind } of outputs[part]?.imports ?? []) {
    if (kind === "import-statement" && outputs[path] !== undefined) importedBy(path, outputs, found);
  }
  return found;
}
