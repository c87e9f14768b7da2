/**
 * Generates the system call tables for compiling seccomp profiles, src/seccomp/gen/system-calls.ts, from the kernel's
 * headers (Debian: linux-libc-dev). tools/generate.ts writes and checks the file.
 */
import { readFileSync } from "node:fs";

const headers = "/usr/include/x86_64-linux-gnu/asm";

type Table = ReadonlyMap<string, number>;

/** Returns the text of the module. */
export function systemCallTables(): string {
  const x86_64 = tableIn("unistd_64.h");
  const x86 = tableIn("unistd_32.h");
  const x32 = tableIn("unistd_x32.h");
  const missing = [...x86_64].filter(([name, number]) => x32.get(name) !== number).map(([name]) => name);
  const own = new Map([...x32].filter(([name, number]) => x86_64.get(name) !== number));
  return [
    "// Made by tools/generate.ts of the kernel's headers; do not edit.",
    "",
    "/** Consecutive numbers from the first one on. */",
    "type Run = readonly [first: number, names: string];",
    "",
    `export const x86_64: readonly Run[] = ${runs(x86_64)};`,
    "",
    `export const x86: readonly Run[] = ${runs(x86)};`,
    "",
    "/** Of x86_64, but not of x32 under the same number. */",
    `export const notX32 = ${JSON.stringify(missing.join(" "))};`,
    "",
    "/** Of x32 alone, without the bit that marks its numbers. */",
    `export const x32: readonly Run[] = ${runs(own)};`,
    "",
  ].join("\n");
}

function tableIn(file: string): Table {
  const text = readFileSync(`${headers}/${file}`, "utf8");
  const lines = text.matchAll(/^#define __NR_(\w+) (?:\(__X32_SYSCALL_BIT \+ (\d+)\)|(\d+))$/gm);
  const table = new Map([...lines].map(([, name = "", x32, plain]) => [name, Number(x32 ?? plain)] as const));
  if (table.size < 300) throw new Error(`${headers}/${file} has only ${table.size} system calls in a known form`);
  return table;
}

function runs(table: Table): string {
  const found: { first: number; names: string[] }[] = [];
  for (const [name, number] of [...table].sort(([, a], [, b]) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && last.first + last.names.length === number) last.names.push(name);
    else found.push({ first: number, names: [name] });
  }
  const lines = found.map(({ first, names }) => `  [${first}, ${JSON.stringify(names.join(" "))}],`);
  return `[\n${lines.join("\n")}\n]`;
}
