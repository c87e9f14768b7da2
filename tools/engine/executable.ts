/**
 * Static executables of the small engine: C host, QuickJS and the bytecode of some modules. The name that the program
 * is started with selects the module; the first one is the default.
 */
import { constants } from "node:fs";
import { copyFile, mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BundledPart, bundle, type EngineModule } from "./bundle.ts";
import { cached, contentKey } from "./cache.ts";
import { featuresOf } from "./features.ts";
import { ensureCompiler, ensureHost, type Host } from "./host.ts";
import { checkSameAddresses, type ImagePiece, imageAddress, imagePieces, makeImage } from "./image.ts";
import { pack } from "./pack.ts";
import { ensureQuickjs, type Quickjs } from "./quickjs.ts";
import { run } from "./run.ts";

export interface ExecutableRequest {
  /** Path of the executable; its directory is created if missing. */
  readonly output: string;
  readonly modules: readonly EngineModule[];
  /** Global identifiers replaced by expressions at build time. */
  readonly define?: Readonly<Record<string, string>>;
}

/** Data that only an executable with an image has gets addresses of its own, so that it moves nothing else. */
const moduleAddress = 0x0800_0000;
const linkFlags: readonly string[] = [
  "-static",
  `-Wl,--section-start=.modules=${hex(moduleAddress)}`,
  "-Wl,--gc-sections",
  "-Wl,-z,noexecstack",
  "-Wl,--build-id=none",
];

/**
 * Builds the executable or takes it from the cache. The output is replaced by rename, and not rewritten if it has the
 * right content.
 */
export async function buildExecutable(request: ExecutableRequest): Promise<void> {
  const bundled = await Promise.all(request.modules.map((module) => bundle(module, request.define ?? {})));
  // The first part is the default, so parts that are only imported come after all entries.
  const bundles = [...bundled.flatMap((parts) => parts.slice(0, 1)), ...bundled.flatMap((parts) => parts.slice(1))];
  const quickjs = await ensureQuickjs();
  const host = await ensureHost(quickjs);
  const compiler = await ensureCompiler(quickjs);
  const fromImage = request.modules.filter((module) => module.startsFromImage).map(({ name }) => name);
  const texts = bundles.flatMap(({ name, text, isPacked }) => [name, text, String(isPacked)]);
  const key = contentKey(host.key, compiler, ...(await recipe()), JSON.stringify(fromImage), ...texts);
  const directory = await cached("engine-executable", key, (target) =>
    make(target, bundles, { quickjs, host, compiler }, fromImage),
  );
  await place(join(directory, "executable"), request.output);
}

/** The files that determine how all of this becomes an executable. */
function recipe(): Promise<Buffer[]> {
  return Promise.all(
    ["executable.ts", "features.ts", "image.ts", "pack.ts"].map((file) => readFile(join(import.meta.dirname, file))),
  );
}

interface Toolchain {
  readonly quickjs: Quickjs;
  readonly host: Host;
  readonly compiler: string;
}

async function make(
  target: string,
  bundles: readonly BundledPart[],
  tools: Toolchain,
  fromImage: readonly string[],
): Promise<void> {
  const sizes = await compile(target, bundles, tools);
  const names = bundles.map(({ name }) => name);
  await link(target, tools, "executable", moduleTable({ bundles, sizes, fromImage: [] }), []);
  if (fromImage[0] !== undefined && fromImage[0] === names[0]) {
    await rename(join(target, "executable"), join(target, "without-image"));
    await makeImage(target, "without-image");
    const pieces = imagePieces(await readFile(join(target, "image")));
    await link(target, tools, "executable", moduleTable({ bundles, sizes, fromImage }, pieces), pieces);
    await checkSameAddresses(target, "without-image", "executable");
  }
  await run("strip", ["-s", "executable"], { cwd: target });
}

/** Returns the unpacked sizes of those parts that are packed. */
async function compile(
  target: string,
  bundles: readonly BundledPart[],
  { compiler }: Toolchain,
): Promise<ReadonlyMap<string, number>> {
  const sizes = new Map<string, number>();
  for (const { name, text, isPacked } of bundles) {
    const file = fileOf(name);
    // Kept next to the executable: stack traces refer to its lines.
    await writeFile(join(target, file), text);
    await run(compiler, [file, file, `${name}.bytecode`, ...bundles.map((part) => fileOf(part.name))], { cwd: target });
    if (!isPacked) continue;
    const code = await readFile(join(target, `${name}.bytecode`));
    await writeFile(join(target, `${name}.bytecode`), pack(code));
    sizes.set(name, code.length);
  }
  return sizes;
}

async function link(
  target: string,
  { quickjs, host }: Toolchain,
  output: string,
  table: string,
  image: readonly ImagePiece[],
): Promise<void> {
  await writeFile(join(target, "modules.S"), table);
  await run("musl-gcc", ["-c", "modules.S", "-o", "modules.o"], { cwd: target });
  const libraries = [join(quickjs.libDir, "libquickjs.a"), "-lm"];
  const inputs = ["modules.o", ...host.objects, ...libraries];
  const places = image.map((piece) => `-Wl,--section-start=${sectionOf(piece)}=${hex(imageAddress + piece.offset)}`);
  await run("musl-gcc", [...linkFlags, ...places, "-o", output, ...inputs], { cwd: target });
}

/** A part that others import already has a file's name. */
function fileOf(name: string): string {
  return name.endsWith(".js") ? name : `${name}.js`;
}

function sectionOf({ offset }: ImagePiece): string {
  return `.image.${offset}`;
}

/** A section of the image, in assembler. */
function imageSection(piece: ImagePiece): string[] {
  if (piece.isZero) return [` .section ${sectionOf(piece)}, "awR", @nobits`, ` .zero ${piece.length}`];
  return [` .section ${sectionOf(piece)}, "awR"`, ` .incbin "image", ${piece.offset}, ${piece.length}`];
}

interface Table {
  readonly bundles: readonly BundledPart[];
  /** Unpacked sizes of the packed parts. */
  readonly sizes: ReadonlyMap<string, number>;
  readonly fromImage: readonly string[];
}

/**
 * `engine_modules` of src/sys/native/engine.h, in assembler so that bytecode needs no detour through C text. An image,
 * if there is one, contains the code of the first module and of the parts that are loaded with it.
 */
function moduleTable({ bundles, sizes, fromImage }: Table, image: readonly ImagePiece[] = []): string {
  const imageSize = image.reduce((sum, { length }) => sum + length, 0);
  const pointer = process.arch === "x64" || process.arch === "arm64" ? ".quad" : ".long";
  const names = bundles.map(({ name }) => name);
  const isInImage = ({ module, withEntry }: BundledPart) => imageSize > 0 && withEntry && module === names[0];
  const code = bundles.map((part, i) => {
    const bytes = isInImage(part) ? "" : ` .incbin "${part.name}.bytecode"`;
    return `.Lcode_${i}:${bytes}\n.Lend_${i}:\n .byte 0`;
  });
  const rows = names.map((name, i) => {
    const starts = imageSize > 0 && fromImage.includes(name) ? 1 : 0;
    return ` ${pointer} .Lname_${i}, .Lcode_${i}, .Lend_${i}, ${starts}, ${sizes.get(name) ?? 0}`;
  });
  const features = featuresOf(bundles.map(({ text }) => Buffer.from(text).toString()));
  return [
    ...image.flatMap(imageSection),
    ' .section .modules, "a"',
    ...code,
    ' .section .rodata.modules, "a"',
    ...names.map((name, i) => `.Lname_${i}: .asciz "${name}"`),
    " .balign 8",
    " .global engine_modules, engine_module_count, engine_features, engine_image_size",
    "engine_modules:",
    ...rows,
    `engine_module_count: ${pointer} ${names.length}`,
    `engine_features: ${pointer} ${[...features, 0].join(", ")}`,
    `engine_image_size: ${pointer} ${imageSize}`,
    ' .section .note.GNU-stack, "", %progbits',
    "",
  ].join("\n");
}

function hex(address: number): string {
  return `0x${address.toString(16)}`;
}

async function place(from: string, to: string): Promise<void> {
  const [wanted, present] = await Promise.all([readFile(from), readFile(to).catch(() => undefined)]);
  if (present !== undefined && wanted.equals(present)) return;
  await mkdir(dirname(to), { recursive: true });
  const temporary = `${to}.${process.pid}.new`;
  await copyFile(from, temporary, constants.COPYFILE_FICLONE);
  await rename(temporary, to);
}
