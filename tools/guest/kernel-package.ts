/** The files of Debian's kernel package: chosen and fetched by apt (which checks its signature), never installed. */
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { cached, contentKey } from "../engine/cache.ts";
import { run } from "../engine/run.ts";

/** Always refers to the newest kernel of the release; the cloud variant lacks 9p. */
const metaPackage = "linux-image-amd64";

export interface KernelPackage {
  readonly name: string;
  readonly version: string;
}

export interface KernelFiles {
  /** Its `uname -r`. */
  readonly release: string;
  readonly bzImage: string;
  /** Directory below which the modules are, in subdirectories. */
  readonly modules: string;
}

/**
 * The kernel that apt would install now. Asking apt takes a second, so the answer is cached until apt's lists or
 * sources change; updated package lists are also what brings a new guest kernel.
 */
export async function chooseKernel(): Promise<KernelPackage> {
  return remembered(metaPackage, askApt);
}

/**
 * Debian's source of that kernel, or of the nearest version in the archive: if only a kernel's packaging was fixed, the
 * source may be one revision older.
 */
export async function chooseKernelSource(kernel: KernelPackage): Promise<KernelPackage> {
  const [series] = /^\d+\.\d+/.exec(kernel.version) ?? [];
  if (series === undefined) throw new Error(`${kernel.name} has version ${kernel.version}, which names no series`);
  const name = `linux-source-${series}`;
  return remembered(`${name}=${kernel.version}`, async () => {
    const table = await run("apt-cache", ["madison", name]);
    const versions = table.split("\n").flatMap((line) => line.split("|")[1]?.trim() || []);
    const version = versions.find((candidate) => candidate === kernel.version) ?? versions[0];
    if (version === undefined) throw new Error(`apt knows no package ${name}: run \`apt-get update\``);
    return { name, version };
  });
}

async function remembered(question: string, ask: () => Promise<KernelPackage>): Promise<KernelPackage> {
  const key = contentKey(question, ...(await aptState()));
  const directory = await cached("kernel-choice", key, async (target) => {
    await writeFile(join(target, "choice.json"), JSON.stringify(await ask()));
  });
  return JSON.parse(await readFile(join(directory, "choice.json"), "utf8")) as KernelPackage;
}

async function askApt(): Promise<KernelPackage> {
  const hint = "run `apt-get update`, and make sure that apt has a source for this Debian release";
  const shown = await run("apt-cache", ["show", "--no-all-versions", metaPackage]).catch((cause: unknown) => {
    throw new Error(`apt knows no package ${metaPackage}: ${hint}`, { cause });
  });
  const depends = /^Depends: (linux-image-[^ ,]+) \(= ([^)]+)\)/m.exec(shown);
  const [, name, version] = depends ?? [];
  if (name === undefined || version === undefined) throw new Error(`${metaPackage} depends on no kernel: ${hint}`);
  return { name, version };
}

/** The package file, from the cache or from the archive. */
export async function fetchKernel(kernel: KernelPackage, report: (line: string) => void): Promise<string> {
  const key = contentKey(kernel.name, kernel.version);
  const directory = await cached("kernel-package", key, async (target) => {
    report(`downloading ${kernel.name} ${kernel.version}`);
    await rename(await downloadPackage(kernel, target), join(target, "kernel.deb"));
  });
  return join(directory, "kernel.deb");
}

/** Downloads into an existing directory without packages; returns the path of the file. */
export async function downloadPackage({ name, version }: KernelPackage, directory: string): Promise<string> {
  // Otherwise apt warns that its unprivileged user cannot write here.
  const options = ["-o", "APT::Sandbox::User=root", "--quiet=2"];
  await run("apt-get", [...options, "download", `${name}=${version}`], { cwd: directory });
  const file = (await readdir(directory)).find((entry) => entry.endsWith(".deb"));
  if (file === undefined) throw new Error(`apt-get download ${name} left no package`);
  return join(directory, file);
}

/** Unpacks the package into an existing empty directory. */
export async function unpackKernel(file: string, directory: string): Promise<KernelFiles> {
  await run("dpkg-deb", ["--extract", file, directory]);
  // A release with merged /usr has the modules elsewhere.
  for (const lib of ["usr/lib/modules", "lib/modules"]) {
    const [release] = await readdir(join(directory, lib)).catch(() => []);
    if (release === undefined) continue;
    return {
      release,
      bzImage: join(directory, "boot", `vmlinuz-${release}`),
      modules: join(directory, lib, release, "kernel"),
    };
  }
  throw new Error(`${file} contains no kernel modules`);
}

/** Names and times of all files on which apt's choice depends. */
async function aptState(): Promise<string[]> {
  const directories = ["/var/lib/apt/lists", "/etc/apt", "/etc/apt/sources.list.d", "/etc/apt/preferences.d"];
  const facts: string[] = [];
  for (const directory of directories) {
    for (const name of (await readdir(directory).catch(() => [])).sort()) {
      const { mtimeMs, size } = await stat(join(directory, name)).catch(() => ({ mtimeMs: 0, size: 0 }));
      facts.push(`${directory}/${name} ${mtimeMs} ${size}`);
    }
  }
  return facts;
}
