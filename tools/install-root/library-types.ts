/**
 * TypeScript declarations of the library's interface and of the types that it refers to: one file per source, made from
 * that source alone, so that programs need not type-check the whole product.
 */
import { readFile } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import ts from "typescript";

const sourceImport = /((?:from|import)\s*\(?\s*")(\.{1,2}\/[^"]+)\.ts"/g;

/** The compiler declares a method with a computed name a second time, as this property. */
const strayMember = /^ *\[Symbol\.asyncDispose\]: \(\) => Promise<void>;\n/gm;

/** By path below the directory of the entry, e.g. `library/main.d.ts`. */
export async function libraryTypes(entry: string): Promise<ReadonlyMap<string, string>> {
  const root = dirname(entry);
  const declarations = new Map<string, string>();
  const waiting = [entry];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    const name = relative(root, file).replace(/\.ts$/, ".d.ts");
    if (declarations.has(name)) continue;
    const { outputText } = ts.transpileDeclaration(await readFile(file, "utf8"), {
      fileName: file,
      compilerOptions: { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, stripInternal: true },
    });
    const from = dirname(file);
    for (const [, , path = ""] of outputText.matchAll(sourceImport)) waiting.push(resolve(from, `${path}.ts`));
    declarations.set(name, outputText.replaceAll(strayMember, "").replaceAll(sourceImport, '$1$2.js"'));
  }
  return declarations;
}
