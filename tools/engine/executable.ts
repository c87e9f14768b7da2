/**
 * Static executables of the small engine: C host, QuickJS and the bytecode of some modules.
 * The module is chosen by the name the program is started with; the first is the default.
 */
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BundledPart, bundle, type EngineModule } from "./bundle.ts";
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
  const bundled = await Promise.all(request.modules.map((module) => bundle(module, request.define ?? {})));
  // The first is the default, so parts that are only imported come behind all entries.
  const bundles = [...bundled.flatMap((parts) => parts.slice(0, 1)), ...bundled.flatMap((parts) => parts.slice(1))];
  const quickjs = await ensureQuickjs();
  const host = await ensureHost(quickjs);
  const compiler = await ensureCompiler(quickjs);
  const key = contentKey(host.key, compiler, linkFlags.join(" "), ...bundles.flatMap(({ name, text }) => [name, text]));
  const directory = await cached("engine-executable", key, (target) =>
    link(target, bundles, { quickjs, host, compiler }),
  );
  await place(join(directory, "executable"), request.output);
}

interface Toolchain {
  readonly quickjs: Quickjs;
  readonly host: Host;
  readonly compiler: string;
}

async function link(target: string, bundles: readonly BundledPart[], tools: Toolchain): Promise<void> {
  for (const { name, text } of bundles) {
    const file = fileOf(name);
    // Kept beside the executable: stack traces name its lines.
    await writeFile(join(target, file), text);
    await run(tools.compiler, [file, file, `${name}.bytecode`, ...bundles.map((part) => fileOf(part.name))], {
      cwd: target,
    });
  }
  await writeFile(join(target, "modules.S"), moduleTable(bundles.map(({ name }) => name)));
  await run("musl-gcc", ["-c", "modules.S", "-o", "modules.o"], { cwd: target });
  const libraries = [join(tools.quickjs.libDir, "libquickjs.a"), "-lm"];
  const inputs = ["modules.o", ...tools.host.objects, ...libraries];
  await run("musl-gcc", [...linkFlags, "-o", "executable", ...inputs], { cwd: target });
}

/** A part that others import has a file's name already. */
function fileOf(name: string): string {
  return name.endsWith(".js") ? name : `${name}.js`;
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
