/**
 * What is installed beside the running executable, from `install.json` in the executable's directory (the install
 * root). Changes nothing; errors name the missing part.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError } from "../util/errors.ts";
import { isRecord } from "../util/json.ts";
import { dirName } from "../util/path.ts";

const maxManifestBytes = 64 * 1024;

export interface Install {
  /** Directory of all installed programs. */
  readonly root: string;
  readonly version: string;
  readonly commit: string;
  /** Absolute path of the Node that runs the shim. */
  readonly node: string;
  /** Size in bytes at installation, by file name in `root`. */
  readonly sizes: ReadonlyMap<string, number>;
  /** SHA-256 in hexadecimal, by file name. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Which kernel the guest has, and its `uname -r`; empty if install.json does not tell. */
  readonly kernel: string;
  readonly kernelVersion: string;
}

/** @throws KumiteError `install/incomplete` if install.json is missing or invalid */
export async function readInstall(os: Os, root = dirName(os.self.executable)): Promise<Install> {
  const file = `${root}/install.json`;
  const manifest = parseManifest(await readManifest(os, file));
  if (manifest === undefined) throw incomplete(file, "is not the manifest of an installation");
  return { root, ...manifest };
}

/**
 * The path of a file in the install root. Its size is compared, which detects a truncated copy; whoever loads the file
 * checks its content.
 * @throws KumiteError `install/incomplete`
 */
export async function installedFile(os: Os, install: Install, name: string): Promise<string> {
  const path = `${install.root}/${name}`;
  const expected = install.sizes.get(name);
  if (expected === undefined) throw incomplete(path, "was not installed");
  const status = await os.files.status(path);
  if (status === undefined) throw incomplete(path, "is missing");
  if (status.kind !== "file" || status.size !== expected) {
    throw incomplete(path, `has ${status.size} bytes, but was installed with ${expected}`);
  }
  return path;
}

/** @throws KumiteError `install/incomplete` */
export async function installedNode(os: Os, install: Install): Promise<string> {
  const status = await os.files.status(install.node);
  if (status?.kind !== "file" || (status.mode & 0o111) === 0) {
    throw incomplete(install.node, "is missing or not executable: it is the Node that this installation runs on");
  }
  return install.node;
}

async function readManifest(os: Os, file: string): Promise<string> {
  try {
    return await os.files.readText(file, maxManifestBytes);
  } catch (error) {
    if (isSystemError(error, "ENOENT", "ENOTDIR")) throw incomplete(file, "is missing");
    throw error;
  }
}

function parseManifest(text: string): Omit<Install, "root"> | undefined {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isRecord(document) || !isRecord(document.files)) return undefined;
  const { version, commit, node, files, kernel, kernelVersion } = document;
  if (typeof version !== "string" || typeof commit !== "string" || typeof node !== "string") return undefined;
  if (!node.startsWith("/")) return undefined;
  const sizes = new Map<string, number>();
  const hashes = new Map<string, string>();
  for (const [name, placed] of Object.entries(files)) {
    if (!isRecord(placed) || typeof placed.size !== "number") return undefined;
    sizes.set(name, placed.size);
    if (typeof placed.sha256 === "string") hashes.set(name, placed.sha256);
  }
  const told = (value: unknown): string => (typeof value === "string" ? value : "");
  return { version, commit, node, sizes, hashes, kernel: told(kernel), kernelVersion: told(kernelVersion) };
}

function incomplete(path: string, what: string): KumiteError {
  return new KumiteError("install/incomplete", `${path} ${what}`, {
    phase: "install.check",
    hint: "run `npm run setup` in the source tree, or install Kumite again",
    data: { path },
  });
}
