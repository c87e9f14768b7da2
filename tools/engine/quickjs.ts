/**
 * QuickJS from Debian's source package, as a static library for musl. Built once per recipe, in about 20 CPU seconds.
 * Our executables have their own C host, so quickjs-libc and the stock programs are not built.
 */
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fetchSource, type SourcePackage } from "./apt-source.ts";
import { cached, contentKey } from "./cache.ts";
import { changeQuickjs, changes } from "./quickjs-changes.ts";
import { progress, run } from "./run.ts";

const source: SourcePackage = { release: "trixie", name: "quickjs", upstreamVersion: "2025.04.26" };
const units: readonly string[] = ["quickjs", "dtoa", "libregexp", "libunicode", "cutils"];
/**
 * `-fwrapv`: the sources rely on wrapping integers. Separate sections let the linker drop unused code. Compiled for
 * size, except for the functions that take most of the time (quickjs-changes.ts); but for size GCC would copy memory
 * byte by byte, a step each under emulation.
 */
const flags: readonly string[] = [
  "-Os",
  ...(process.arch === "x64" ? ["-mstringop-strategy=libcall"] : []),
  "-fwrapv",
  "-ffunction-sections",
  "-fdata-sections",
  "-fno-asynchronous-unwind-tables",
  "-D_GNU_SOURCE",
  `-DCONFIG_VERSION="${source.upstreamVersion}"`,
  "-w",
];
/** Compiled instead of quickjs.c, which it includes. */
const additions = resolve(import.meta.dirname, "../../src/sys/native/quickjs-additions.c");
const headers: readonly string[] = ["quickjs.h", "LICENSE"];

export interface Quickjs {
  /** Contains `libquickjs.a`, for musl. */
  readonly libDir: string;
  /** Contains `quickjs.h`. */
  readonly includeDir: string;
  /** A part of the key of everything that is linked with it. */
  readonly key: string;
}

export async function ensureQuickjs(): Promise<Quickjs> {
  const own = await Promise.all([readFile(additions), readFile(additions.replace(/c$/, "h"))]);
  const key = contentKey(JSON.stringify([source, units, flags, headers]), JSON.stringify(changes, textOf), ...own);
  const directory = await cached("quickjs", key, async (target) => {
    progress(`fetching the source package ${source.name} ${source.upstreamVersion}`);
    const work = join(target, "work");
    await mkdir(work);
    const tree = await fetchSource(source, work);
    await changeQuickjs(tree);
    progress("building QuickJS (about 20 s)");
    await buildLibrary(tree, target);
  });
  return { libDir: directory, includeDir: directory, key };
}

/** JSON has no form for a regular expression. */
const textOf = (_key: string, value: unknown): unknown => (value instanceof RegExp ? String(value) : value);

async function buildLibrary(tree: string, target: string): Promise<void> {
  for (const unit of units) {
    const file = unit === "quickjs" ? additions : `${unit}.c`;
    await run("musl-gcc", [...flags, `-I${tree}`, "-c", file, "-o", `${unit}.o`], { cwd: tree });
  }
  await run("ar", ["rcsD", join(target, "libquickjs.a"), ...units.map((unit) => `${unit}.o`)], { cwd: tree });
  for (const header of headers) await cp(join(tree, header), join(target, header));
  // Its first line names the package with its exact version.
  const changelog = await readFile(join(tree, "debian/changelog"), "utf8");
  await writeFile(join(target, "SOURCE"), `${changelog.split("\n")[0]}\n`);
  await rm(join(target, "work"), { recursive: true });
}
