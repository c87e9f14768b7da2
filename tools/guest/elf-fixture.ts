/** Makes ELF files for tests with the real compiler. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../engine/run.ts";

/** Compiles C text with `gcc` and the given options. */
export async function compile(source: string, ...options: readonly string[]): Promise<Buffer> {
  const directory = await mkdtemp(join(tmpdir(), "kumite-elf-"));
  try {
    await writeFile(join(directory, "source.c"), source);
    await run("gcc", [...options, "-o", "output", "source.c"], { cwd: directory });
    return await readFile(join(directory, "output"));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** An object file with these entries in `.modinfo`, like a kernel module. */
export function kernelModule(facts: readonly string[]): Promise<Buffer> {
  const lines = facts.map(
    (fact, i) => `__attribute__((section(".modinfo"), used)) static const char fact${i}[] = ${JSON.stringify(fact)};`,
  );
  return compile(lines.join("\n"), "-c");
}
