/** The engine's C host as objects, and the bytecode compiler; both are built once per content. */
import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { cached, contentKey } from "./cache.ts";
import type { Quickjs } from "./quickjs.ts";
import { progress, run } from "./run.ts";

const sourceDirectory = resolve(import.meta.dirname, "../../src/sys/native");
const compilerSource = resolve(import.meta.dirname, "compile-bytecode.c");
const flags: readonly string[] = [
  "-std=gnu11",
  "-O2",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-asynchronous-unwind-tables",
  "-fstack-protector-strong",
];

export interface Host {
  readonly objects: readonly string[];
  readonly key: string;
}

export async function ensureHost(quickjs: Quickjs): Promise<Host> {
  const names = (await readdir(sourceDirectory)).filter((name) => /\.[ch]$/.test(name)).sort();
  const texts = await Promise.all(names.map((name) => readFile(join(sourceDirectory, name))));
  const key = contentKey(quickjs.key, JSON.stringify([flags, names]), ...texts);
  // quickjs-additions.c is compiled together with QuickJS.
  const units = names.filter((name) => name.endsWith(".c") && name !== "quickjs-additions.c");
  const directory = await cached("engine-host", key, async (target) => {
    progress("compiling the C host");
    for (const unit of units) {
      const object = join(target, unit.replace(/c$/, "o"));
      await run("musl-gcc", [
        ...flags,
        "-isystem",
        quickjs.includeDir,
        "-c",
        join(sourceDirectory, unit),
        "-o",
        object,
      ]);
    }
  });
  return { objects: units.map((unit) => join(directory, unit.replace(/c$/, "o"))), key };
}

/** Returns the path of the program `compile-bytecode`. */
export async function ensureCompiler(quickjs: Quickjs): Promise<string> {
  const key = contentKey(quickjs.key, await readFile(compilerSource));
  const directory = await cached("compile-bytecode", key, async (target) => {
    const output = join(target, "compile-bytecode");
    const inputs = [compilerSource, join(quickjs.libDir, "libquickjs.a"), "-lm"];
    await run("musl-gcc", [
      "-O2",
      "-static",
      "-isystem",
      quickjs.includeDir,
      "-I",
      sourceDirectory,
      "-o",
      output,
      ...inputs,
    ]);
  });
  return join(directory, "compile-bytecode");
}
