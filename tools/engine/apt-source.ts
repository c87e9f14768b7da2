/**
 * Debian source packages of another release, fetched by apt with its signature checks, without touching the host's apt:
 * state, cache and sources live in a directory of their own. The mirror is the host's.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";

export interface SourcePackage {
  readonly release: string;
  readonly name: string;
  /** Upstream version. Any Debian revision of it is accepted, so that a security update does not stop the build. */
  readonly upstreamVersion: string;
  /** Fetches only upstream's archive, without Debian's patches: what is not fetched cannot fail. Default false. */
  readonly upstreamOnly?: boolean;
}

/** Unpacks the package below `directory`, patches applied unless told otherwise; returns the path of its tree. */
export async function fetchSource(source: SourcePackage, directory: string): Promise<string> {
  if (!existsSync(keyring)) throw new Error(`${keyring} is missing; install debian-archive-keyring`);
  const mirrors = await debianMirrors();
  const failures: string[] = [];
  for (const mirror of mirrors) {
    try {
      return await fetchFrom(mirror, source, directory);
    } catch (error) {
      failures.push(`${mirror}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new Error(
    `source package ${source.name} of ${source.release} could not be fetched (${mirrors.length} mirrors in apt's configuration)\n${failures.join("\n")}`,
  );
}

async function fetchFrom(mirror: string, source: SourcePackage, directory: string): Promise<string> {
  const root = join(directory, "apt");
  await mkdir(join(root, "lists", "partial"), { recursive: true });
  await mkdir(join(root, "archives", "partial"), { recursive: true });
  await writeFile(join(root, "sources.list"), `deb-src [signed-by=${keyring}] ${mirror} ${source.release} main\n`);
  const options = [
    `Dir::State=${root}`,
    `Dir::State::lists=${root}/lists`,
    "Dir::State::status=/dev/null",
    `Dir::Cache=${root}`,
    `Dir::Etc::sourcelist=${root}/sources.list`,
    "Dir::Etc::sourceparts=/dev/null",
    "Dir::Etc::preferencesparts=/dev/null",
    "Acquire::Languages=none",
    // The unprivileged user that apt would switch to cannot enter our directory.
    "APT::Sandbox::User=root",
    "APT::Get::List-Cleanup=false",
  ].flatMap((option) => ["-o", option]);
  await run("apt-get", [...options, "update", "--error-on=any"]);
  const shown = await run("apt-cache", [...options, "showsrc", "--only-source", source.name]);
  const versions = [...shown.matchAll(/^Version: (.+)$/gm)].map((match) => match[1] ?? "");
  const version = versions.find((candidate) => candidate.replace(/-[^-]*$/, "") === source.upstreamVersion);
  if (version === undefined)
    throw new Error(`${source.release} has ${versions.join(", ") || "no version"}, not ${source.upstreamVersion}`);
  const wanted = ["--only-source", `${source.name}=${version}`];
  if (source.upstreamOnly === true) {
    await run("apt-get", [...options, "source", "--tar-only", ...wanted], { cwd: directory });
    await unpackUpstream(source, directory);
  } else {
    await run("apt-get", [...options, "source", ...wanted], { cwd: directory });
  }
  const tree = (await readdir(directory)).find((name) => name === `${source.name}-${source.upstreamVersion}`);
  if (tree === undefined) throw new Error(`apt unpacked no ${source.name}-${source.upstreamVersion}`);
  return join(directory, tree);
}

async function unpackUpstream({ name, upstreamVersion }: SourcePackage, directory: string): Promise<void> {
  const prefix = `${name}_${upstreamVersion}.orig.tar.`;
  const archive = (await readdir(directory)).find((file) => file.startsWith(prefix) && !file.endsWith(".asc"));
  if (archive === undefined) throw new Error(`apt fetched no ${prefix}*`);
  await run("tar", ["-xf", archive], { cwd: directory });
}

/** Archives of the host's own Debian release in the apt configuration, Debian's own first. */
async function debianMirrors(): Promise<string[]> {
  const codename = /^VERSION_CODENAME="?([^"\n]+)/m.exec(await readFile("/etc/os-release", "utf8"))?.[1];
  const format = "$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(REPO_URI)";
  const targets = (await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"]))
    .split("\n")
    .map((line) => line.split("|"))
    .filter(([release, component]) => release === codename && component === "main");
  const own = targets.filter(([, , origin]) => origin === "Debian");
  const uris = [...own, ...targets].map(([, , , uri]) => uri ?? "").filter((uri) => uri !== "");
  if (uris.length === 0) throw new Error(`apt's configuration names no archive of ${codename ?? "this distribution"}`);
  return [...new Set(uris)];
}
