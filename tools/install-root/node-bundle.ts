/**
 * The shim, or another program for Node, as one file. It may import nothing but Node's own modules, since no
 * node_modules is installed.
 */
import { isBuiltin } from "node:module";
import { resolve } from "node:path";
import { build } from "esbuild";

const repository = resolve(import.meta.dirname, "../..");

export type ModuleSystem = "esm" | "cjs";

/** CommonJS loads faster, and only CommonJS can be loaded together with code that was compiled before. */
export async function bundleForNode(entry: string, format: ModuleSystem): Promise<Uint8Array> {
  const result = await build({
    entryPoints: [entry],
    absWorkingDir: repository,
    tsconfig: resolve(repository, "tsconfig.json"),
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format,
    target: "node20",
    // Names stay readable in stack traces. V8 keeps the source text of a running program, which takes twice the space
    // if one character of it is not Latin: a megabyte and a half of every shim's memory.
    minifySyntax: true,
    minifyWhitespace: true,
    charset: "ascii",
    legalComments: "eof",
    // CommonJS packages call `require` for Node's own modules.
    ...(format === "esm" && {
      banner: { js: 'import{createRequire}from"node:module";const require=createRequire(import.meta.url);' },
    }),
    logLevel: "silent",
  });
  const [output] = result.outputFiles;
  if (output === undefined) throw new Error(`bundling ${entry} gave nothing`);
  const outside = Object.values(result.metafile.outputs)
    .flatMap(({ imports }) => imports)
    .filter(({ external, path }) => external === true && !isBuiltin(path));
  if (outside.length > 0)
    throw new Error(`it would load ${outside.map(({ path }) => path).join(", ")} from outside its bundle`);
  return output.contents;
}
