/**
 * A bundle: the directory an engine prepares, with config.json and usually the root file system.
 * Read and checked before anything is made; never written to.
 */
import type { Os } from "../sys/os.ts";
import { isSystemError, KumiteError, messageOf } from "../util/errors.ts";
import { resolvePath } from "../util/path.ts";
import type { OciLinux, OciProcess, OciSpec } from "./spec.ts";
import { readDocument, validateSpec } from "./validate.ts";

/** What `create` needs of a specification beyond its being well-formed. */
export interface BundleSpec extends OciSpec {
  process: OciProcess;
  root: { path: string; readonly?: boolean };
  linux: OciLinux;
}

export interface Bundle {
  /** Absolute, without symlinks. */
  readonly path: string;
  /** Of the configuration, for errors. */
  readonly configFile: string;
  /** Absolute, without symlinks; a directory. */
  readonly rootfs: string;
  readonly spec: BundleSpec;
}

/**
 * `configFile` is absolute; without it the configuration is the bundle's config.json.
 *
 * Fails with `oci/bundle-invalid` (the directory, its config.json or root file system cannot be used) or
 * `oci/spec-invalid` (the content of config.json), naming file and key.
 */
export async function loadBundle(os: Os, path: string, configFile?: string): Promise<Bundle> {
  const directory = await directoryAt(os, path, "bundle");
  const file = configFile ?? configFileOf(directory);
  return bundleOf(os, directory, await readDocument(os, file), file);
}

/** A bundle whose configuration is at hand already. The same checks and errors as `loadBundle`. */
export async function bundleOf(os: Os, path: string, document: unknown, file?: string): Promise<Bundle> {
  const directory = await directoryAt(os, path, "bundle");
  const configFile = file ?? configFileOf(directory);
  const spec = completeSpec(validateSpec(document, configFile), configFile);
  const rootfs = await directoryAt(os, resolvePath(directory, spec.root.path), "root.path");
  return { path: directory, configFile, rootfs, spec };
}

function configFileOf(directory: string): string {
  return `${directory}/config.json`;
}

async function directoryAt(os: Os, path: string, what: "bundle" | "root.path"): Promise<string> {
  const hint = what === "bundle" ? "a bundle is a directory with config.json; `kumite spec` makes one" : undefined;
  const detail = { data: { path }, ...(hint === undefined ? {} : { hint }) };
  try {
    const real = await os.files.realPath(path);
    if ((await os.files.status(real))?.kind === "directory") return real;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    throw new KumiteError("oci/bundle-invalid", `${what} cannot be used: ${messageOf(error)}`, detail);
  }
  throw new KumiteError("oci/bundle-invalid", `${what} ${path} is not a directory`, detail);
}

/** The rules that no schema can say. */
function completeSpec(spec: OciSpec, file: string): BundleSpec {
  const { process, root, linux } = spec;
  if (process === undefined) throw invalid(file, "process", "is missing: there is nothing to run");
  if (root === undefined) throw invalid(file, "root", "is missing");
  if (linux === undefined) throw invalid(file, "linux", "is missing: only Linux containers can run");
  const namespaces = linux.namespaces?.map((namespace) => namespace.type);
  refuseDuplicates(file, "linux.namespaces", namespaces);
  const limits = process.rlimits?.map((limit) => limit.type);
  refuseDuplicates(file, "process.rlimits", limits);
  return Object.assign(spec, { process, root, linux });
}

function refuseDuplicates(file: string, key: string, names: readonly string[] = []): void {
  names.forEach((name, index) => {
    if (names.indexOf(name) !== index) throw invalid(file, `${key}[${index}]`, `gives ${name} a second time`);
  });
}

function invalid(file: string, key: string, what: string): KumiteError {
  return new KumiteError("oci/spec-invalid", `${file}: ${key} ${what}`, { data: { file, key } });
}
