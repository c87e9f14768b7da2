/**
 * The tuned kernel: Debian's source, configured by `guest-image/kernel.fragment`, everything built in. Compiling takes
 * 15 minutes of CPU time, so the result is cached by its inputs: source, fragment, compiler and the steps below.
 */
import { cp, mkdir, readdir, readFile, rm, statfs, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import type { ModuleIndex } from "../../src/guest/modules/index-format.ts";
import { cached, cacheRoot, contentKey, isCached } from "../engine/cache.ts";
import { run } from "../engine/run.ts";
import { type GuestKernel, recipe } from "./guest-kernel.ts";
import { notTaken, parseConfig, parseFragment } from "./kernel-fragment.ts";
import { chooseKernel, chooseKernelSource, downloadPackage, type KernelPackage } from "./kernel-package.ts";
import { loadableKernel } from "./vmlinux.ts";

const fragmentFile = resolve(import.meta.dirname, "../../guest-image/kernel.fragment");
const entryName = "tuned-kernel";
const buildTimeoutMs = 3 * 3600_000;
const progressMs = 15_000;
/** For the unpacked source and its object files. */
const neededBytes = 3 * 1024 ** 3;

/** The kernel contains nothing about the build host: the same source gives the same file. */
const environment = { KBUILD_BUILD_USER: "kumite", KBUILD_BUILD_HOST: "kumite", KBUILD_BUILD_TIMESTAMP: "@0" };
const make = ["--silent", "ARCH=x86_64", "LOCALVERSION="];
const steps = { base: "tinyconfig", complete: "olddefconfig", name: "kernelrelease", kernel: "vmlinux" } as const;

type Report = (line: string) => void;

interface Inputs {
  readonly source: KernelPackage;
  readonly fragment: string;
  readonly key: string;
}

/** Compiling has taken longer than it may; nothing of it is left. */
export class OutOfTime extends Error {}

/**
 * Compiles the kernel if the cache lacks it.
 * @param withinMs how long that may take in total
 * @throws OutOfTime
 */
export async function tunedKernel(report: Report, withinMs = buildTimeoutMs): Promise<GuestKernel> {
  const inputs = await currentInputs();
  const endMs = Date.now() + withinMs;
  const directory = await cached(entryName, inputs.key, (target) => compile(target, inputs, report, endMs));
  return loadable(inputs, directory);
}

/** `undefined` if it would have to be compiled. */
export async function builtTunedKernel(): Promise<GuestKernel | undefined> {
  const inputs = await currentInputs();
  if (!isCached(entryName, inputs.key)) return undefined;
  const directory = await cached(entryName, inputs.key, () => Promise.reject(new Error("it was there")));
  return loadable(inputs, directory);
}

async function currentInputs(): Promise<Inputs> {
  const source = await chooseKernelSource(await chooseKernel());
  const fragment = await readFile(fragmentFile, "utf8");
  const compiler = await run("gcc", ["--version"]);
  const how = JSON.stringify({ environment, make, steps });
  return { source, fragment, key: contentKey(source.name, source.version, fragment, compiler, how) };
}

/** The compiled kernel in the cache keeps its symbols; the one that boots has none. */
async function loadable({ source, key }: Inputs, compiled: string): Promise<GuestKernel> {
  const release = (await readFile(join(compiled, "release"), "utf8")).trim();
  const directory = await cached("tuned-guest", contentKey(key, ...(await recipe())), async (target) => {
    await writeFile(join(target, "vmlinux"), loadableKernel(await readFile(join(compiled, "vmlinux"))));
  });
  const index: ModuleIndex = { version: 1, release, early: [], modules: {} };
  return { package: source, vmlinux: join(directory, "vmlinux"), index, fullIndex: index, moduleFiles: new Map() };
}

async function compile(target: string, { source, fragment }: Inputs, report: Report, endMs: number): Promise<void> {
  await requireSpace(target);
  const work = join(target, "work");
  const tree = join(work, "tree");
  await mkdir(tree, { recursive: true });
  await unpack(source, work, tree, report);
  await configure(tree, fragment);
  const jobs = availableParallelism();
  report(
    `compiling the tuned kernel of ${source.name} ${source.version} with ${jobs} jobs, about 15 minutes of CPU time`,
  );
  await compileWithProgress(tree, jobs, report, endMs);
  const release = await inTree(tree, steps.name);
  await writeFile(join(target, "release"), release);
  await cp(join(tree, ".config"), join(target, "config"));
  await cp(join(tree, "vmlinux"), join(target, "vmlinux"));
  await rm(work, { recursive: true });
}

async function requireSpace(directory: string): Promise<void> {
  const { bavail, bsize } = await statfs(directory);
  if (bavail * bsize >= neededBytes) return;
  const free = Math.floor((bavail * bsize) / 1024 ** 2);
  throw new Error(
    `building the kernel needs ${neededBytes / 1024 ** 2} MiB below ${cacheRoot()}, ${free} MiB are free; set KUMITE_CACHE to another directory`,
  );
}

async function unpack(source: KernelPackage, work: string, tree: string, report: Report): Promise<void> {
  report(`downloading ${source.name} ${source.version}`);
  const file = await downloadPackage(source, work);
  report("unpacking the kernel's source");
  const extracted = join(work, "package");
  await run("dpkg-deb", ["--extract", file, extracted]);
  const directory = join(extracted, "usr/src");
  const archive = (await readdir(directory)).find((name) => /^linux-source-.*\.tar\./.test(name));
  if (archive === undefined) throw new Error(`${source.name} has no archive in /usr/src`);
  await run("tar", ["--extract", "--strip-components=1", `--file=${join(directory, archive)}`], { cwd: tree });
}

async function configure(tree: string, fragment: string): Promise<void> {
  await inTree(tree, steps.base);
  const config = join(tree, ".config");
  await writeFile(config, `${await readFile(config, "utf8")}${fragment}`);
  await inTree(tree, steps.complete);
  const refused = notTaken(parseFragment(fragment), parseConfig(await readFile(config, "utf8")));
  if (refused.length > 0) {
    throw new Error(`the kernel rejects options of its fragment (${fragmentFile}):\n  ${refused.join("\n  ")}`);
  }
}

async function compileWithProgress(tree: string, jobs: number, report: Report, endMs: number): Promise<void> {
  const beganMs = Date.now();
  let files = 0;
  let said = 0;
  const onOutput = (text: string): void => {
    files += text.split("\n").filter((line) => /^ {2}(CC|AS) /.test(line)).length;
    const elapsed = Date.now() - beganMs;
    if (elapsed - said < progressMs) return;
    said = elapsed;
    report(`compiling: ${files} files after ${Math.round(elapsed / 1000)} s`);
  };
  const args = [`--jobs=${jobs}`, ...make.filter((word) => word !== "--silent"), steps.kernel];
  const outOfTime = () => new OutOfTime(`compiling took too long and was stopped after ${files} files`);
  // For a child process 0 would mean no limit.
  const timeoutMs = endMs - beganMs;
  if (timeoutMs <= 0) throw outOfTime();
  try {
    await run("make", args, { cwd: tree, env: environment, timeoutMs, onOutput });
  } catch (error) {
    throw Date.now() < endMs ? error : outOfTime();
  }
}

function inTree(tree: string, goal: string): Promise<string> {
  return run("make", [...make, goal], { cwd: tree, env: environment });
}
