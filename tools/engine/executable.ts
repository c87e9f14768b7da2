/**
 * Static executables of the small engine: C host, QuickJS and the bytecode of some modules.
 * The module is chosen by the name the program is started with; the first is the default.
 */
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { bundle, type EngineModule } from "./bundle.ts";
import { cached, contentKey } from "./cache.ts";
import { ensureCompiler, ensureHost, type Host } from "./host.ts";
import { ensureQuickjs, type Quickjs } from "./quickjs.ts";
import { run } from "./run.ts";

export interface ExecutableRequest {
  /** Path of the executable to make; its directory is made if missing. */
  readonly output: string;
  readonly modules: readonly EngineModule[];
  /** Global identifiers replaced by expressions at build time. */
  readonly define?: Readonly<Record<string, string>>;
}

const linkFlags: readonly string[] = [
  "-static",
  "-s",
  "-Wl,--gc-sections",
  "-Wl,-z,noexecstack",
  "-Wl,--build-id=none",
];

/** Builds or takes from the cache; the output is replaced by rename, and left alone when it has the right content. */
export async function buildExecutable(request: ExecutableRequest): Promise<void> {
  const bundles = await Promise.all(
    request.modules.map(async (module) => ({ name: module.name, text: await bundle(module, request.define ?? {}) })),
  );
  const quickjs = await ensureQuickjs();
  const host = await ensureHost(quickjs);
  const compiler = await ensureCompiler(quickjs);
  const key = contentKey(host.key, compiler, linkFlags.join(" "), ...bundles.flatMap(({ name, text }) => [name, text]));
  const directory = await cached("engine-executable", key, (target) =>
    link(target, bundles, { quickjs, host, compiler }),
  );
  await place(join(directory, "executable"), request.output);
}

interface Bundle {
  readonly name: string;
  readonly text: Uint8Array;
}

interface Toolchain {
  readonly quickjs: Quickjs;
  readonly host: Host;
  readonly compiler: string;
}

async function link(target: string, bundles: readonly Bundle[], tools: Toolchain): Promise<void> {
  for (const { name, text } of bundles) {
    // Kept beside the executable: stack traces name its lines.
    await writeFile(join(target, `${name}.js`), text);
    await run(tools.compiler, [`${name}.js`, `${name}.js`, `${name}.bytecode`], { cwd: target });
  }
  await writeFile(join(target, "modules.S"), moduleTable(bundles.map(({ name }) => name)));
  await run("musl-gcc", ["-c", "modules.S", "-o", "modules.o"], { cwd: target });
  const libraries = [join(tools.quickjs.libDir, "libquickjs.a"), "-lm"];
  const inputs = ["modules.o", ...tools.host.objects, ...libraries];
  await run("musl-gcc", [...linkFlags, "-o", "executable", ...inputs], { cwd: target });
}

/** `engine_modules` of src/sys/native/engine.h, in assembler so that bytecode goes in without a detour through C text. */
function moduleTable(names: readonly string[]): string {
  const pointer = process.arch === "x64" || process.arch === "arm64" ? ".quad" : ".long";
  const code = names.map(
    (name, i) => `code_${i}: .incbin "${name}.bytecode"\nend_${i}:\n .byte 0\nname_${i}: .asciz "${name}"`,
  );
  const rows = names.map((_, i) => ` ${pointer} name_${i}, code_${i}, end_${i}`);
  return [
    ' .section .rodata.modules, "a"',
    ...code,
    " .balign 8",
    " .global engine_modules, engine_module_count",
    "engine_modules:",
    ...rows,
    `engine_module_count: ${pointer} ${names.length}`,
    ' .section .note.GNU-stack, "", %progbits',
    "",
  ].join("\n");
}

async function place(from: string, to: string): Promise<void> {
  const [wanted, present] = await Promise.all([readFile(from), readFile(to).catch(() => undefined)]);
  if (present !== undefined && wanted.equals(present)) return;
  await mkdir(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.new`;
  await copyFile(from, temporary, constants.COPYFILE_FICLONE);
  await rename(temporary, to);
}
